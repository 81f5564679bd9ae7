// What the lines of a chart are, and what they say under its cursor.

import { h, say } from "./dom.js"
import { number, percent } from "./format.js"

/** A p-value; small ones by their size. */
export const chance = (p) => (p !== null && p > 0 && p < 0.001 ? p.toExponential(1).replace("-", "−") : number(p))

export class Legend {
  #values = {}
  #items = {}
  #step = h("span", { class: "under" })

  constructor(level) {
    const item = (name, label) => {
      const swatch = h("i", { class: `swatch ${name}`, "aria-hidden": "true" })
      this.#values[name] = h("b")
      return (this.#items[name] = h("li", null, swatch, label, " ", this.#values[name]))
    }
    this.element = h(
      "ul",
      { class: "legend", "aria-label": "Legend" },
      h("li", null, this.#step),
      item("observed", "observed"),
      item("predicted", "predicted"),
      level && item("interval", `${percent(level, 0)} interval`),
      level && [item("anomaly", "anomaly, p < 0.001"), item("alarm", "alarm")],
      item("forecast", "forecast"),
      item("free", "free run"),
    )
  }

  /** seen: as the chart has drawn it; row: the one under the cursor, or of the newest observation. */
  show(seen, row) {
    const at = (name) => seen[name]?.[row] ?? null
    const bounds = at("lower") === null ? "" : `${number(at("lower"))} to ${number(at("upper"))}`
    say(this.#step, row < 0 ? "no value yet" : `step ${seen.x[row]}`)
    this.#say("observed", number(at("observed")))
    this.#say("predicted", number(at("predicted")))
    this.#say("interval", bounds)
    this.#say("anomaly", at("anomaly") === null ? "" : `p ${chance(at("anomaly"))}`)
    this.#say("forecast", at("forecast") === null || seen.x[row] <= seen.step ? "" : number(at("forecast")))
    this.#say("free", at("free") === null ? "" : number(at("free")))
    this.#there("alarm", seen.alarms.length > 0)
    this.#there("forecast", seen.outer !== null || seen.forecast.some((value) => value !== null))
    this.#there(
      "free",
      seen.free.some((value) => value !== null),
    )
  }

  #say(name, text) {
    if (this.#values[name]) say(this.#values[name], text)
  }

  #there(name, there) {
    if (this.#items[name] && this.#items[name].hidden === there) this.#items[name].hidden = !there
  }
}
