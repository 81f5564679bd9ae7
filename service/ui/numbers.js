// The numbers of /metrics that matter, as a list of cards.

import * as api from "./api.js"
import { h, say } from "./dom.js"
import { GAUGES } from "./gauges.js"
import { Reading, Readings } from "./readings.js"
import { Spark } from "./spark.js"

export class Numbers {
  #readings = new Readings()
  #cards = GAUGES.map(card)

  constructor() {
    this.element = h(
      "div",
      { class: "sheet numbers" },
      h("h3", {}, "Numbers"),
      h(
        "p",
        { class: "quiet" },
        "From ",
        h("a", { href: "metrics" }, "/metrics"),
        ", which is for Prometheus. Lines show up to five minutes, while this view was open.",
      ),
      h(
        "dl",
        {},
        this.#cards.map(({ element }) => element),
      ),
    )
  }

  async load() {
    this.#readings.add(new Reading(await api.metrics(), Date.now()))
    for (const { show } of this.#cards) show(this.#readings)
  }
}

function card({ name, value, aside, line, parts, says }) {
  const told = value && h("span", { class: "big" })
  const beside = aside && h("span", { class: "beside" })
  const spark = line && new Spark()
  const table = parts && h("tbody")
  const element = h(
    "div",
    {},
    h("dt", {}, name),
    h("dd", {}, table && partsTable(name, table), told, " ", beside, spark?.element),
    h("dd", { class: "says" }, says),
  )
  const show = (readings) => {
    if (value) say(told, value(readings))
    if (aside) say(beside, aside(readings))
    spark?.show(line(readings), readings.span)
    if (parts) table.replaceChildren(...parts(readings).map(row))
  }
  return { element, show }
}

const partsTable = (name, body) =>
  h(
    "table",
    { "aria-label": name },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "part"),
        ["p50", "p99"].map((share) => h("th", { scope: "col", class: "number" }, share)),
      ),
    ),
    body,
  )

const row = ([part, ...values]) =>
  h(
    "tr",
    {},
    h("th", { scope: "row" }, part),
    values.map((value) => h("td", { class: "number" }, value)),
  )
