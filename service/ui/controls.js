// What a person feeds a session with: the source, the speed, play and pause, and what may happen to values.

import { field, h, say } from "./dom.js"
import { count } from "./format.js"
import { GONE } from "./gone.js"
import { sine, sunspots, table } from "./sources.js"

const SOURCES = { sine: "Sine", sunspots: "Sunspots", pasted: "Pasted column", csv: "CSV file" }
const SPEEDS = [1, 2, 5, 10, 20, 50]

const choice = (label, options, chosen, onChange) => {
  const select = h(
    "select",
    { onChange },
    Object.entries(options).map(([value, text]) => h("option", { value, selected: value === String(chosen) }, text)),
  )
  return { select, element: field(label, select) }
}

export class Controls {
  #feed
  #file = null
  #problem = ""
  #known // the source that is shown
  #loading = null

  constructor(feed) {
    this.#feed = feed
    this.#known = feed.source
    const speeds = Object.fromEntries(SPEEDS.map((speed) => [speed, `${speed} a second`]))
    this.source = choice("Source", SOURCES, feed.source.kind, () => this.#choose(this.source.select.value))
    this.speed = choice("Speed", speeds, feed.speed, () => (feed.speed = Number(this.speed.select.value)))
    this.playing = h("button", { type: "button", class: "primary play", onClick: () => this.#toggle() }, "Play")
    this.single = h("button", { type: "button", onClick: () => this.#once() }, "Step once")
    const disturb = (kind, text, title) =>
      h("button", { type: "button", title, "aria-pressed": "false", onClick: () => feed.disturb(kind) }, text)
    this.spike = disturb("spike", "Spike", "The next value is 8 spreads too high")
    this.gap = disturb("gap", "Gap", "The next 5 values are missing")
    this.shift = disturb("shift", "Level shift", "All further values are 3 spreads higher, until it is pressed again")
    const paste = () => this.#read(this.text.value, "pasted", "pasted")
    this.text = h("textarea", { rows: 4, spellcheck: "false", placeholder: "12.5\n13.1\n\n14", onInput: paste })
    this.pasted = field("Values, one a line; an empty line is a missing one", this.text, "wide")
    const chosen = () => this.take(this.input.files[0])
    this.input = h("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", onChange: chosen })
    this.taken = h("small")
    this.dropped = h("div", { class: "drop" }, field("CSV file", this.input), this.taken)
    this.progress = h("span", { class: "progress" })
    this.status = h("p", { class: "status", role: "status" })
    this.element = h(
      "fieldset",
      { class: "feed" },
      h("legend", null, "Feed"),
      h("div", { class: "row" }, this.source.element, this.speed.element, this.playing, this.single),
      this.pasted,
      this.dropped,
      h("div", { class: "row" }, this.spike, this.gap, this.shift, this.progress),
      this.status,
    )
    feed.addEventListener("change", () => this.show())
    this.show()
  }

  /** Feed a file that was chosen or dropped. */
  async take(file) {
    if (!file) return
    this.#file = file
    this.source.select.value = "csv"
    this.#read(await file.text(), "csv", file.name)
  }

  show() {
    const { source, speed, playing, waiting, stopped, position, spike, gap, shifted } = this.#feed
    if (source !== this.#known) this.source.select.value = source.kind // it was taken back to another
    this.#known = source
    this.speed.select.value = speed
    const chosen = this.source.select.value
    say(this.playing, playing ? "Pause" : "Play")
    this.single.disabled = playing
    this.pasted.hidden = chosen !== "pasted"
    this.dropped.hidden = chosen !== "csv"
    this.spike.setAttribute("aria-pressed", spike)
    this.gap.setAttribute("aria-pressed", gap > 0)
    this.shift.setAttribute("aria-pressed", shifted)
    const of = source.length === Infinity ? "" : ` of ${count(source.length)}`
    say(this.progress, source.kind === chosen ? `value ${count(position)}${of}` : "")
    say(this.taken, source.kind === "csv" ? source.name : "or drop one anywhere on this card")
    say(this.status, this.#problem || said(waiting, stopped))
  }

  async #choose(kind) {
    this.#problem = ""
    this.show()
    if (kind === "sine") this.#begin(() => sine(this.#feed.model))
    else if (kind === "sunspots") await (this.#loading = this.#load())
    else if (kind === "csv" && this.#file) await this.take(this.#file)
    else if (kind === "pasted" && this.text.value.trim()) this.#read(this.text.value, "pasted", "pasted")
    else if (this.#feed.playing) this.#feed.pause()
  }

  async #load() {
    try {
      const source = await sunspots(this.#feed.model)
      if (this.source.select.value === "sunspots") this.#begin(() => source)
    } catch (error) {
      this.#wrong(error)
    }
  }

  #read(text, kind, name) {
    this.#begin(() => table(text, kind, name, this.#feed.model))
  }

  #begin(make) {
    try {
      this.#problem = ""
      const source = make()
      if (source.guessed && source.kind === "csv") this.#feed.pause() // it is for a person to see whether that is right
      this.#feed.begin(source)
    } catch (error) {
      this.#wrong(error)
    }
  }

  #wrong(error) {
    this.#problem = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`
    if (this.#feed.playing) this.#feed.pause()
    else this.show()
  }

  /** Whether there is what was chosen. */
  async #isThere() {
    await this.#loading
    if (this.#problem) return false
    if (this.#feed.source.kind === this.source.select.value) return true
    this.#problem = this.source.select.value === "csv" ? "Choose a CSV file first." : "Paste some values first."
    this.show()
    this.#problem = ""
    return false
  }

  async #toggle() {
    if (this.#feed.playing) this.#feed.pause()
    else if (await this.#isThere()) this.#feed.play()
  }

  async #once() {
    if (await this.#isThere()) this.#feed.once()
  }
}

function said(waiting, stopped) {
  if (waiting?.code === "unreachable") return "waiting for the service…"
  if (waiting) return `waiting for the service… (${waiting.message})`
  if (GONE.includes(stopped?.code)) return "The feed has stopped: the session is gone."
  return stopped ? `The feed has stopped: ${stopped.message}.` : ""
}
