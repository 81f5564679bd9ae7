// What happens to sessions, as the service tells it (GET /watch, server-sent events), with reconnection.

import { ApiError, ask, refusal } from "./api.js"

const FIRST_PAUSE = 500
const LONGEST_PAUSE = 5000
const SILENCE = 20_000 // the service says something every 10 s at least

/**
 * Listen until `signal` is aborted. closely: those of the ids whose hidden states are told as well.
 * told(name, data): an event; changed(connected, error): whether the service is there, and if not, why.
 */
export async function listen(ids, closely, { told, changed, signal }) {
  let pause = FIRST_PAUSE
  while (!signal.aborted) {
    try {
      await once(ids, closely, told, signal, () => {
        pause = FIRST_PAUSE
        changed(true, null)
      })
      throw new ApiError("unreachable", "the service has ended the connection; this page tries again by itself")
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) console.error(error)
      changed(false, error)
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
    pause = Math.min(pause * 2, LONGEST_PAUSE)
  }
}

async function once(ids, closely, told, signal, connected) {
  const cut = new AbortController()
  const stop = () => cut.abort()
  signal.addEventListener("abort", stop)
  let alarm
  const alive = () => {
    clearTimeout(alarm)
    alarm = setTimeout(stop, SILENCE)
  }
  try {
    alive()
    const query = new URLSearchParams([
      ...ids.map((id) => ["session_id", id]),
      ...closely.map((id) => ["hidden_state", id]),
    ])
    const answer = await ask("GET", `watch?${query}`, { signal: cut.signal, headers: { accept: "text/event-stream" } })
    if (!answer.ok) throw await refusal(answer)
    connected()
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      alive()
      const blocks = (text + value).split("\n\n")
      text = blocks.pop()
      for (const block of blocks) hand(block, told)
    }
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError("unreachable", "the connection to the service broke; this page tries again by itself")
  } finally {
    clearTimeout(alarm)
    signal.removeEventListener("abort", stop)
  }
}

function hand(block, told) {
  let name = ""
  let data = ""
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7)
    else if (line.startsWith("data: ")) data += line.slice(6)
  }
  if (data) told(name, JSON.parse(data))
}
