// How the data was cut in the order of time: what was learned from, chosen by, calibrated on, judged on.

import { h } from "./dom.js"
import { count, percent } from "./format.js"

const PARTS = ["Training", "Validation", "Calibration", "Test"]
const ENDS = ["train", "validation", "calibration", "rows"]
const USES = [
  "the weights were learned here",
  "chose what was kept",
  "made the intervals",
  "was never seen: the errors below are from here",
]

/** split: where each part ends. Nothing, if it does not say. */
export function splitBar(split) {
  const ends = ENDS.map((name) => split?.[name])
  if (!ends.every(Number.isFinite) || !ends.at(-1)) return null
  const rows = ends.map((end, i) => end - (ends[i - 1] ?? 0))
  const share = (i) => rows[i] / ends.at(-1)
  return h(
    "figure",
    { class: "split" },
    h("figcaption", {}, "Split, in the order of time"),
    h(
      "div",
      { class: "bar", "aria-hidden": "true" },
      PARTS.map((_, i) => h("span", { style: { "flex-grow": rows[i] }, class: `part-${i}` })),
    ),
    h(
      "ol",
      {},
      PARTS.map((name, i) =>
        h(
          "li",
          {},
          h("span", { class: `key part-${i}`, "aria-hidden": "true" }),
          h("span", {}, `${name}: ${count(rows[i])} rows (${percent(share(i), 0)})`, " ", h("small", {}, USES[i])),
        ),
      ),
    ),
  )
}
