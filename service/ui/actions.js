// What can be done with a session at a point of its time: fork it there, mark it to come back to, let it run free.

import * as api from "./api.js"
import { h, say } from "./dom.js"
import { number } from "./format.js"
import { FreeRun } from "./freerun.js"

const LONGEST_BASE = 110 // characters; an id has 128 at most
const PATIENCE = 5 // tries to catch a session that others feed too

export class Actions {
  /** Points to come back to: {step, token, place, button} each, place being the feed's. */
  marks = []
  free = null
  #marked = h("span", { class: "row" })

  /** forked({id, step, feed}): there is a copy; changed(): there is something to draw; failed(error). */
  constructor({ stream, feed, model }, { forked, changed, failed }) {
    Object.assign(this, { stream, feed, model, forked, changed, failed })
    const button = (text, work, more) =>
      h("button", { type: "button", onClick: ({ target }) => this.#do(target, work), ...more }, text)
    this.running = button("Run free", () => this.#run(), { "aria-pressed": "false" })
    this.drift = h("span", { class: "drift" })
    this.element = h(
      "div",
      { class: "row actions" },
      button("Fork", () => this.#fork()),
      button("Mark this point", () => this.#mark()),
      this.#marked,
      this.running,
      this.drift,
    )
  }

  /** The stream has moved. */
  show(target) {
    if (this.free && (this.stream.step ?? 0) < this.free.step) this.#alone(null)
    if (!this.free) return say(this.drift, "")
    const { n, free, ahead } = this.free.error(this.stream, target)
    const beside = Number.isFinite(ahead) ? ` (one step ahead: ${number(ahead)})` : ""
    const steps = n === 1 ? "step" : "steps"
    const far = `free run: RMSE ${number(free)} after ${n} ${steps}${beside}`
    say(this.drift, n ? far : `free run: from step ${this.free.step} on`)
  }

  /** A control that is at work is not pressed again. */
  async #do(button, work) {
    if (button.ariaBusy) return // which keeps the focus, where disabling would not
    button.ariaBusy = "true"
    try {
      await work()
      this.failed(null)
    } catch (error) {
      this.failed(error)
    }
    button.ariaBusy = null
    this.changed()
  }

  async #fork() {
    const { feed, stream } = this
    const copy = await feed.hold(async () => {
      const { context, step } = await this.#now()
      return { id: await fork(stream.id, context), step, feed: feed.place() }
    })
    this.forked(copy)
  }

  async #mark() {
    const { feed } = this
    const mark = await feed.hold(async () => {
      const { context, step } = await this.#now()
      return { step, token: context, place: feed.place(), button: null }
    })
    this.#forget(({ step }) => step === mark.step)
    this.marks.push(mark)
    mark.button = h(
      "button",
      { type: "button", onClick: ({ target }) => this.#do(target, () => this.#rewind(mark)) },
      `Rewind to step ${mark.step}`,
    )
    this.#marked.append(mark.button)
  }

  async #rewind(mark) {
    const { feed, stream } = this
    feed.pause()
    await feed.hold(async () => {
      stream.place(await takeBack(stream, mark.token))
      feed.restore(mark.place, mark.step)
    })
    this.#forget(({ step }) => step > mark.step)
  }

  async #now() {
    if (this.stream.step === null) throw new Error("There is no session yet; it begins with its first value.")
    return api.session(this.stream.id)
  }

  #forget(which) {
    for (const mark of this.marks.filter(which)) mark.button.remove()
    this.marks = this.marks.filter((mark) => !which(mark))
  }

  async #run() {
    this.#alone(this.free ? null : await FreeRun.of(this.stream.id, this.model.targets))
  }

  #alone(run) {
    this.free = run
    this.running.setAttribute("aria-pressed", run !== null)
  }
}

/** A copy under the first such name that is not taken. */
async function fork(id, token) {
  const base = `${id.slice(0, LONGEST_BASE)}-fork`
  const { sessions } = await api.sessions({ prefix: base, limit: 1000 })
  const taken = new Set(sessions.map(({ session_id }) => session_id))
  for (let n = 1; ; n++) {
    const name = n > 1 ? `${base}-${n}` : base
    if (taken.has(name)) continue
    await api.restore(name, token)
    return name
  }
}

/** Put a session to where a token was made, also if it has ended. */
async function takeBack({ id, ended }, token) {
  let step = ended ? undefined : (await api.session(id)).step
  for (let tries = 1; ; tries++) {
    try {
      return await api.restore(id, token, step)
    } catch (error) {
      if (error.code !== "step_conflict" || tries === PATIENCE) throw error
      step = error.details.expected_step
    }
  }
}
