// The last steps of a stream as a table.

import { h, say } from "./dom.js"
import { number } from "./format.js"
import { chance } from "./legend.js"
import { RARE } from "./view.js"

const ROWS = 12
const COLUMNS = ["step", "observed", "predicted", "lower", "upper", "p-value"]

/** A row for each step, the newest first; above them the one to come. `data-value` of a cell has all digits. */
export class LastSteps {
  #rows = []
  #body = h("tbody")

  constructor(id) {
    this.table = h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Numbers of ${id}` },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            COLUMNS.map((name) => h("th", { scope: "col", class: "number" }, name)),
          ),
        ),
        this.#body,
      ),
    )
    this.element = h("details", { class: "last-steps" }, h("summary", null, "Numbers"), this.table)
  }

  get open() {
    return this.element.open
  }

  show(stream, target) {
    const last = stream.steps.length - 1
    const count = Math.min(ROWS, last + 1)
    while (this.#rows.length < count) this.#add()
    this.#rows.forEach(({ row, cells }, i) => {
      row.hidden = i >= count
      if (i < count) this.#fill(row, cells, stream, target, last - i)
    })
  }

  #add() {
    const cells = COLUMNS.map(() => h("td", { class: "number" }))
    const row = h("tr", null, cells)
    this.#rows.push({ row, cells })
    this.#body.append(row)
  }

  #fill(row, [step, observed, predicted, lower, upper, chanceOf], stream, target, at) {
    const value = (name) => stream[name][target][at] ?? null
    const isNext = stream.steps[at] > stream.step
    const rare = value("anomaly") !== null && value("anomaly") < RARE
    row.classList.toggle("anomalous", rare)
    row.dataset.step = stream.steps[at]
    put(step, stream.steps[at], stream.steps[at])
    const none = isNext ? "to come" : stream.came[at] ? "missing" : "not told"
    put(observed, value("observed"), value("observed") === null ? none : number(value("observed")))
    put(predicted, value("predicted"), number(value("predicted")))
    put(lower, value("lower"), number(value("lower")))
    put(upper, value("upper"), number(value("upper")))
    put(chanceOf, value("anomaly"), `${chance(value("anomaly"))}${rare ? " anomaly" : ""}`)
  }
}

function put(cell, value, text) {
  const exact = value === null ? "" : String(value)
  if (cell.dataset.value !== exact) cell.dataset.value = exact
  say(cell, text)
}
