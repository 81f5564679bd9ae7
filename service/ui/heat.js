// The hidden state over time as a figure: it can be pointed at and walked through, and tells its values as text.

import { h, say } from "./dom.js"
import { count, many, number } from "./format.js"
import { Strip } from "./strip.js"

/** Steps that are shown at most. */
export const LONGEST = 240

const EXPLAINED =
  "A context unit keeps what its hidden unit said one step before, and hands it to the hidden layer with the new " +
  "value; it is all that the hidden layer remembers. Each row is a unit, each column a step. Similar phases of a " +
  "cycle show similar columns, because a similar past leaves the network in a similar state."
const HINT = "Point at a column, or press Tab to come here and use the arrow keys."
const UNKNOWN = "not told to this page"

/** `draw` takes what `past` makes. */
export class Heat {
  #layers
  #units
  #canvas = h("canvas", { tabindex: 0, role: "application", "aria-label": "Hidden state" })
  #strip
  #told = h("output", { class: "told" }, HINT)
  #ends = [h("span"), h("span", { class: "ramp" }), h("span")]
  #columns = []
  #share = null
  #pointed = null // {step, layer, unit}

  /** resized: called when it must be drawn again. */
  constructor({ hidden_size, num_layers = 1 }, resized) {
    this.#layers = num_layers
    this.#units = hidden_size
    this.#strip = new Strip(this.#canvas, num_layers, hidden_size)
    const frame = h("div", { class: "frame" }, this.#canvas)
    const legend = [h("p", { class: "scale" }, this.#ends), h("span", { class: "unknown" }, UNKNOWN)]
    this.element = h(
      "figure",
      { class: "sheet heat" },
      h("figcaption", {}, h("h3", {}, "Hidden state"), h("p", {}, EXPLAINED)),
      frame,
      h("div", { class: "row legend" }, legend),
      this.#told,
    )
    new ResizeObserver(([{ contentRect }]) => {
      if (this.#strip.resize(contentRect.width)) resized()
    }).observe(frame)
    this.#canvas.addEventListener("pointermove", (event) => this.#point(event))
    this.#canvas.addEventListener("pointerdown", (event) => this.#point(event))
    this.#canvas.addEventListener("pointerleave", () => this.#select(null))
    this.#canvas.addEventListener("keydown", (event) => this.#walk(event))
  }

  /** share: from what a unit says to -1 ... 1; most: what the end of the scale stands for; signed: both ends. */
  draw(columns, share, most, signed) {
    this.#columns = columns
    this.#share = share
    const ends = signed ? [`−${number(most)}`, "0", number(most)] : ["0", "", number(most)]
    this.#ends.forEach((end, i) => say(end, ends[i]))
    this.#ends[1].classList.toggle("positive", !signed)
    this.#canvas.dataset.columns = columns.length
    this.#canvas.setAttribute("aria-label", this.#label())
    this.#show()
  }

  #label() {
    const steps = this.#columns.length
    const known = this.#columns.filter(({ hidden }) => hidden).length
    const units = `${count(this.#units)} units${this.#layers > 1 ? ` in each of ${this.#layers} layers` : ""}`
    const some = known < steps ? `, ${count(known)} of them known` : ""
    return `Hidden state of ${units} over ${many(steps, "step")}${some}`
  }

  #point({ offsetX, offsetY }) {
    this.#select(this.#strip.at(offsetX, offsetY))
  }

  #walk(event) {
    if (!this.#columns.length) return
    const [first, last] = [this.#columns[0].step, this.#columns.at(-1).step]
    const { step, layer, unit } = this.#pointed ?? { step: last, layer: 0, unit: 0 }
    const row = layer * this.#units + unit
    const moves = {
      ArrowLeft: [step - 1, row],
      ArrowRight: [step + 1, row],
      ArrowUp: [step, row - 1],
      ArrowDown: [step, row + 1],
      PageUp: [step - 10, row],
      PageDown: [step + 10, row],
      Home: [first, row],
      End: [last, row],
    }
    if (event.key === "Escape") this.#select(null)
    if (!(event.key in moves)) return
    event.preventDefault()
    const [toStep, toRow] = moves[event.key]
    const at = within(toRow, 0, this.#layers * this.#units - 1)
    this.#select({ step: within(toStep, first, last), layer: Math.floor(at / this.#units), unit: at % this.#units })
  }

  #select(pointed) {
    this.#pointed = pointed
    this.#show()
  }

  #show() {
    if (this.#share) this.#strip.paint(this.#columns, this.#share, this.#pointed)
    say(this.#told, this.#words())
  }

  #words() {
    const column = this.#pointed && this.#columns.find(({ step }) => step === this.#pointed.step)
    if (!column) return HINT
    const { step, observed, predicted, hidden } = column
    const { layer, unit } = this.#pointed
    const name = this.#layers > 1 ? `layer ${layer + 1}, unit ${unit + 1}` : `unit ${unit + 1}`
    const state = hidden ? number(hidden[layer][unit]) : UNKNOWN
    const values = [
      observed === null ? "" : ` Observed: ${number(observed)}.`,
      predicted === null ? "" : ` Predicted next: ${number(predicted)}.`,
    ]
    return `Step ${step}, ${name}: ${state}.${values.join("")}`
  }
}

const within = (value, low, high) => Math.max(low, Math.min(high, value))
