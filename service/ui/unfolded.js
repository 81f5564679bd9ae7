// The network over the last observations: what came in, the state it left, the prediction made of it.

import { drawn } from "./architecture.js"
import { Cells, MOST } from "./cells.js"
import { number } from "./format.js"
import { h, say, svg } from "./dom.js"
import { arrow, box, dots, pill, words } from "./strokes.js"

const COLUMNS = 5
const FEWEST = 2
const NARROWEST = 118 // a column
const WIDEST = 190 // a box
const EDGE = 26 // where the state comes in, and goes on
const LINE = 26 // a value
const GAP = 42

/** A figure, drawn anew where its width allows another number of columns. */
export class Unfolded {
  #architecture
  #columns = []
  #width = 0
  #picture = svg("svg", { role: "img", "aria-label": "The network unfolded" })

  /** resized: called when there is another number of columns to fill. */
  constructor(architecture, resized) {
    this.#architecture = architecture
    const frame = h("div", { class: "frame" }, this.#picture)
    this.element = h(
      "figure",
      { class: "sheet unfolded" },
      h(
        "figcaption",
        {},
        h("h3", {}, "Unfolded"),
        h(
          "p",
          {},
          "The same network over the last observations, with the same weights at every step; the state goes on.",
        ),
      ),
      frame,
    )
    new ResizeObserver(([{ contentRect }]) => {
      const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 15
      const width = Math.round(contentRect.width / unit)
      if (!width || width === this.#width) return
      this.#width = width
      this.#draw()
      resized()
    }).observe(frame)
  }

  /** How many observations there is room for. */
  get room() {
    return this.#columns.length
  }

  /** columns: as `past` has them, as many as there is room for, or fewer. */
  show(columns, share) {
    const missing = this.room - columns.length
    this.#columns.forEach(({ name, x, y, step, boxes }, place) => {
      const column = columns[place - missing]
      name.parentNode.classList.toggle("empty", !column)
      say(x.text, column ? number(column.observed) : "")
      say(y.text, column ? number(column.predicted) : "")
      say(step, column ? `step ${column.step}` : "")
      for (const { layer, cells } of boxes) cells.show(column?.hidden?.[layer] ?? null, share)
    })
    this.#picture.setAttribute("aria-label", told(columns))
  }

  #draw() {
    const room = Math.max(FEWEST, Math.min(COLUMNS, Math.floor((this.#width - 2 * EDGE) / NARROWEST)))
    const wide = (this.#width - 2 * EDGE) / room
    this.#columns = Array.from({ length: room }, (_, place) =>
      this.#column(room - 1 - place, EDGE + wide * (place + 0.5), Math.min(wide - 30, WIDEST)),
    )
    const { height, boxes } = this.#columns[0]
    const half = Math.min(wide - 30, WIDEST) / 2
    const links = boxes.flatMap(({ middle }) =>
      Array.from({ length: room + 1 }, (_, place) => {
        const from = place ? EDGE + wide * (place - 0.5) + half : 0
        const to = place < room ? EDGE + wide * (place + 0.5) - half - 2 : this.#width
        return arrow("state", from, middle, to, middle)
      }),
    )
    this.#picture.setAttribute("viewBox", `0 0 ${this.#width} ${height}`)
    this.#picture.replaceChildren(...links, ...this.#columns.map(({ element }) => element))
  }

  /** One observation, `back` steps before the newest. */
  #column(back, centre, wide) {
    const { hidden_size, num_layers = 1 } = this.#architecture
    const left = centre - wide / 2
    const marks = []
    const name = words(centre, 13, back === 0 ? "ŷ(t+1)" : back === 1 ? "ŷ(t)" : `ŷ(t−${back - 1})`, "quiet")
    const y = pill(left, 20, wide, LINE, "predicted")
    let at = 20 + LINE
    marks.push(arrow("predicted", centre, at + GAP, centre, at + 2))
    at += GAP
    const boxes = []
    for (const layer of drawn(num_layers).reverse()) {
      if (layer === null) {
        marks.push(dots(centre, at + 10))
        at += 24
        continue
      }
      const cells = new Cells(hidden_size, across(hidden_size), left + 7, at + 24, wide - 14)
      const tall = cells.height + 32
      marks.push(
        box(left, at, wide, tall, "state"),
        words(centre, at + 16, symbol(layer, num_layers, back)),
        cells.element,
      )
      boxes.push({ layer, cells, middle: at + tall / 2 })
      at += tall
      marks.push(arrow(layer ? "state" : "observed", centre, at + GAP, centre, at + 2))
      at += GAP
    }
    const x = pill(left, at, wide, LINE, "observed")
    at += LINE
    const step = words(centre, at + 34, "", "quiet")
    marks.push(words(centre, at + 17, time("x", back), "quiet"), step)
    return { element: svg("g", {}, name, y.element, marks, x.element), name, x, y, step, boxes, height: at + 40 }
  }
}

/** What is to be seen, in words. */
function told(columns) {
  if (!columns.length) return "The network unfolded: no value has come yet."
  const { step, observed, predicted } = columns.at(-1)
  const steps = columns.length > 1 ? `steps ${columns[0].step} to ${step}` : `step ${step}`
  const newest = observed === null ? "not known" : number(observed)
  const next = predicted === null ? "" : `, the prediction of the next one ${number(predicted)}`
  return `The network unfolded over ${steps}: the newest value is ${newest}${next}.`
}

/** How many stand side by side, so that they fill a frame about as wide as high. */
function across(units) {
  const shown = Math.min(units, MOST)
  const least = Math.ceil(Math.sqrt(shown))
  for (let n = least; n <= 2 * least; n++) if (shown % n === 0) return n
  return least
}

const time = (letter, back) => `${letter}(t${back ? `−${back}` : ""})`

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

const symbol = (layer, layers, back) =>
  time(layers > 1 ? `h${[...String(layer + 1)].map((digit) => SUBSCRIPTS[digit]).join("")}` : "h", back)
