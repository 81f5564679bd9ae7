// The view "Network": how it is built, what it did in the last steps, and its hidden state over time.

import { h, say } from "./dom.js"
import { Folded } from "./folded.js"
import { soon } from "./frames.js"
import { told } from "./gone.js"
import { Heat, LONGEST } from "./heat.js"
import { largest, past } from "./past.js"
import { Unfolded } from "./unfolded.js"

export function mountNetwork(section, { model, streams }) {
  const limited = model.architecture.nonlinearity === "tanh"
  const again = () => visible && soon(draw)
  const folded = new Folded(model.architecture)
  const unfolded = new Unfolded(model.architecture, again)
  const heat = new Heat(model.architecture, again)
  const session = h("select", { id: "network-session", onchange: () => choose(session.value) })
  const target = h(
    "select",
    { id: "network-target", onchange: again },
    model.targets.map((name, i) => h("option", { value: i }, name)),
  )
  const choice = h(
    "div",
    { class: "row choice" },
    h("label", { for: session.id }, "Session"),
    session,
    model.targets.length > 1 ? [h("label", { for: target.id }, "Values of"), target] : null,
  )
  const none = h(
    "p",
    { class: "none" },
    "No session is watched, so there is only the plan to show. ",
    h("a", { href: "#watch" }, "Choose or make one to watch"),
    ", and its units appear here.",
  )
  const state = h("p", { class: "quiet", role: "status" })
  section.append(
    h("h2", {}, "Network"),
    choice,
    none,
    state,
    h("div", { class: "plans" }, folded.element, unfolded.element),
    heat.element,
  )

  let visible = false
  let stream = null

  function choose(id) {
    for (const event of ["change", "state"]) stream?.removeEventListener(event, again)
    stream = streams.get(id) ?? null
    if (stream) streams.attend(id)
    for (const event of ["change", "state"]) stream?.addEventListener(event, again)
    again()
  }

  function offer() {
    const ids = streams.all.map(({ id }) => id)
    const before = stream?.id
    session.replaceChildren(...ids.map((id) => h("option", {}, id)))
    for (const part of [choice, state, unfolded.element, heat.element]) part.hidden = !ids.length
    none.hidden = ids.length > 0
    session.value = ids.includes(before) ? before : (ids[0] ?? "")
    if (streams.get(session.value) !== stream) choose(session.value)
    again()
  }

  function draw() {
    const columns = stream ? past(stream, Number(target.value || 0), LONGEST) : []
    const most = limited ? 1 : largest(columns)
    const share = (value) => value / most
    folded.show(
      columns.at(-1)?.hidden,
      columns.at(-2)?.hidden ?? (stream?.step === 1 ? nothing(model.architecture) : null),
      share,
    )
    if (!stream) return
    say(state, condition(stream))
    unfolded.show(unfolded.room ? columns.slice(-unfolded.room) : [], share)
    heat.draw(columns, share, most, limited)
  }

  streams.addEventListener("watched", offer)
  addEventListener("theme", again)
  offer()
  return {
    shown(yes) {
      visible = yes
      again()
    },
  }
}

/** What the context of a new stream holds. */
const nothing = ({ hidden_size, num_layers = 1 }) =>
  Array.from({ length: num_layers }, () => Array(hidden_size).fill(0))

function condition({ ended, step }) {
  if (ended) return step === null && ended.error === "session_unknown" ? "There is no such session yet." : told(ended)
  if (step === null) return "Waiting for the service…"
  return step === 0 ? "No value has come yet." : ""
}
