// The network as it is built: input, hidden layers with their context, readout.

import { drawn, formula, hidden, sentences } from "./architecture.js"
import { Cells, MOST } from "./cells.js"
import { count, many } from "./format.js"
import { h, svg } from "./dom.js"
import { arrow, box, dots, pill, words } from "./strokes.js"

const WIDTH = 360
const LEFT = 52 // of the hidden layer
const RIGHT = 246
const INPUT = 100 // where the line from below is
const BACK = 214 // and the one from the context
const LOOP = 312 // and the copy on its way to it
const CONTEXT = [184, 352]
const LINE = 26 // a value
const GAP = 44

/** A figure; `show` colours its units by the state behind the newest value, and the one before it. */
export class Folded {
  #parts = [] // {layer, now, before}

  constructor(architecture) {
    const picture = this.#drawing(architecture)
    const some = architecture.hidden_size > MOST ? ` The first ${MOST} units of a layer are drawn.` : ""
    this.element = h(
      "figure",
      { class: "sheet folded" },
      h("figcaption", {}, h("h3", {}, "Folded"), h("p", {}, sentences(architecture).join(" ") + some)),
      picture,
    )
  }

  show(now, before, share) {
    for (const { layer, ...cells } of this.#parts) {
      cells.now.show(now?.[layer] ?? null, share)
      cells.before.show(before?.[layer] ?? null, share)
    }
  }

  #drawing(architecture) {
    const { hidden_size, input_size, output_size, num_layers = 1, nonlinearity, taps = [], residual } = architecture
    const marks = []
    const middle = (LEFT + RIGHT) / 2
    let y = 4
    marks.push(pill(LEFT + 22, y, RIGHT - LEFT - 44, LINE, "predicted", "prediction ŷ(t+1)").element)
    y += LINE
    marks.push(arrow("predicted", middle, y + GAP * 0.7, middle, y + 2))
    y += GAP * 0.7
    const readout = y
    marks.push(
      box(LEFT, y, RIGHT - LEFT, residual ? 46 : 32),
      words(middle, y + 20, `readout: ${many(output_size, "number")}`),
      residual ? words(middle, y + 37, "plus the newest value x(t)", "quiet") : null,
    )
    y += residual ? 46 : 32
    marks.push(arrow("predicted", middle, y + GAP * 0.7, middle, y + 2))
    y += GAP * 0.7
    for (const layer of drawn(num_layers).reverse()) {
      y = layer === null ? skip(y) : this.#layer(marks, y, layer, hidden_size, nonlinearity, num_layers)
    }
    const values = `x(t): ${many(input_size, "value")}`
    const top = y - LINE
    marks.push(pill(LEFT - 12, top, 116, LINE, "observed", values).element)
    if (taps.length || residual) {
      const lag = formula(taps) || "x(t)"
      marks.push(
        arrow("observed taps", LEFT - 12, top + LINE / 2, 22, top + LINE / 2, 22, readout + 16, LEFT - 2, readout + 16),
        svg("g", { transform: `translate(14 ${(readout + top) / 2 + 20}) rotate(-90)` }, words(0, 0, lag, "quiet")),
      )
    }
    const label =
      `The network folded: x(t), ${many(input_size, "value")}, and the context go into ${hidden(architecture)}; ` +
      "its state is copied back to the context, and the readout makes the prediction of it."
    return svg("svg", { viewBox: `0 0 ${WIDTH} ${y + 6}`, role: "img", "aria-label": label }, marks)

    function skip(from) {
      marks.push(dots(middle, from + 14))
      return from + 34
    }
  }

  /** A layer with its context below it. -> where what is below begins */
  #layer(marks, y, layer, units, nonlinearity, layers) {
    const name = layers > 1 ? `hidden layer ${layer + 1}` : "hidden layer"
    const now = new Cells(units, 16, LEFT + 10, y + 28, RIGHT - LEFT - 20)
    const height = now.height + 36
    const below = y + height
    const context = below + GAP
    const before = new Cells(units, 16, CONTEXT[0] + 10, context + 28, CONTEXT[1] - CONTEXT[0] - 20)
    const deep = before.height + 36
    const line = context + deep
    marks.push(
      box(LEFT, y, RIGHT - LEFT, height, "state"),
      words(LEFT + 10, y + 19, `${name}: ${count(units)} ${nonlinearity}`, "", "start"),
      now.element,
      box(CONTEXT[0], context, CONTEXT[1] - CONTEXT[0], deep, "context"),
      words(CONTEXT[0] + 10, context + 19, "context: h(t−1)", "", "start"),
      before.element,
      arrow("state", RIGHT, y + height / 2, LOOP, y + height / 2, LOOP, context - 2),
      words((RIGHT + LOOP) / 2, y + height / 2 - 8, "copied", "quiet"),
      arrow("state", BACK, context, BACK, below + 2),
      arrow(layer ? "state" : "observed", INPUT, layer ? line + 10 : line - LINE, INPUT, below + 2),
    )
    this.#parts.push({ layer, now, before })
    return layer ? line + 10 : line
  }
}
