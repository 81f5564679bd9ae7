// How good the model was on the part that it never saw, beside simpler methods.

import { h } from "./dom.js"
import { figure, number, percent } from "./format.js"

const SERVED = "Elman network"
const COLUMNS = [
  { key: "rmse", name: "RMSE", most: false, text: figure },
  { key: "mae", name: "MAE", most: false, text: figure },
  {
    key: "mase",
    name: "MASE",
    most: false,
    text: (value) => (Number.isFinite(value) ? value.toFixed(3) : number(value)),
  },
  { key: "skill", name: "Skill", most: true, text: (value) => percent(value) },
]
const MEANINGS =
  "RMSE and MAE are in the units of the data. MASE is the MAE over that of naive (the last value again), in " +
  "the training part. Skill is the part of the naive RMSE that is saved."

/** Parts for the page, some or none of: errors of one step, of free runs by horizon, coverage of intervals. */
export function scores({ training = {} }) {
  const { metrics = {}, horizons = {}, coverage = {} } = training
  const targets = [...new Set([metrics, horizons, coverage].flatMap((part) => Object.keys(part)))].filter(
    (name) => Array.isArray(metrics[name]) || horizons[name] || coverage[name],
  )
  const plain = measures(metrics)
  if (!targets.length) return plain ? [plain] : []
  const place = h("div", { class: "scores" })
  const show = (name) =>
    place.replaceChildren(
      ...[oneStep(metrics[name]), freeRuns(horizons[name], metrics[name]), covered(coverage[name])].filter(Boolean),
    )
  const choice = h(
    "select",
    { id: "model-target", onchange: () => show(choice.value) },
    targets.map((name) => h("option", {}, name)),
  )
  show(targets[0])
  return [
    h("h2", {}, "How good it was"),
    targets.length > 1 ? h("p", { class: "row" }, h("label", { for: choice.id }, "Series and target"), choice) : null,
    place,
    plain,
  ].filter(Boolean)
}

/** Single numbers, as experiments have them. */
function measures(metrics) {
  const single = Object.entries(metrics).filter(([, value]) => typeof value === "number")
  if (!single.length) return null
  const rows = single.map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, name.replaceAll("_", " ")), cell(value, number)),
  )
  return sheet("Measures", null, head(["Measure", "Value"]), rows)
}

function oneStep(rows) {
  if (!Array.isArray(rows) || !rows.length) return null
  const columns = COLUMNS.filter(({ key }) => rows.some((row) => Number.isFinite(row[key])))
  const best = columns.map(({ key, most }) =>
    extreme(
      rows.map((row) => row[key]),
      most,
    ),
  )
  const body = rows.map((row) =>
    h(
      "tr",
      { class: served(row.method) && "served" },
      method(row.method),
      columns.map(({ key, text }, i) => cell(row[key], text, best[i])),
    ),
  )
  const told = columns.map(
    ({ key, name }, i) => `${name}: ${listed(rows.filter((row) => row[key] === best[i]).map((row) => row.method))}`,
  )
  return sheet(
    "One step ahead",
    `Errors on the test part. Bold is the best of each column. ${told.join("; ")}. ${MEANINGS}`,
    head(["Method", ...columns.map(({ name }) => name)]),
    body,
  )
}

/** rows: the same methods in the order to tell them. */
function freeRuns(errors, rows) {
  const order = (rows ?? []).map((row) => row.method)
  const methods = Object.fromEntries(
    Object.entries(errors ?? {}).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)),
  )
  const horizons = [...new Set(Object.values(methods).flatMap(Object.keys))].sort((a, b) => a - b)
  if (!horizons.length) return null
  const best = horizons.map((horizon) =>
    extreme(
      Object.values(methods).map((errors) => errors[horizon]),
      false,
    ),
  )
  const body = Object.entries(methods).map(([name, errors]) =>
    h(
      "tr",
      { class: served(name) && "served" },
      method(name),
      horizons.map((horizon, i) => cell(errors[horizon], figure, best[i])),
    ),
  )
  const told = horizons.map(
    (horizon, i) => `${horizon}: ${listed(Object.keys(methods).filter((name) => methods[name][horizon] === best[i]))}`,
  )
  return sheet(
    "Running free, by horizon",
    `RMSE of forecasts that feed themselves, by steps ahead. Bold is the best of each column. ${told.join("; ")}.`,
    head(["Method", ...horizons]),
    body,
  )
}

function covered(pairs) {
  if (!pairs?.length) return null
  const body = pairs.map(([level, share]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, percent(level, 0)),
      cell(share, percent),
      h(
        "td",
        { class: "wide" },
        h(
          "span",
          { class: "share", "aria-hidden": "true" },
          h("span", { style: { width: `${(share ?? 0) * 100}%` } }),
          h("i", { style: { left: `${level * 100}%` } }),
        ),
      ),
    ),
  )
  const told =
    "The share of the test part inside of intervals that promise so much. The mark is the promise, the bar was seen."
  return sheet("Coverage", told, head(["Promised", "Seen", ""]), body)
}

function sheet(title, told, heading, body) {
  const table = h("table", {}, h("caption", {}, title), h("thead", {}, heading), h("tbody", {}, body))
  const frame = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, table)
  return h("div", { class: "sheet score" }, frame, told && h("p", { class: "quiet" }, told))
}

const head = ([first, ...others]) =>
  h(
    "tr",
    {},
    h("th", { scope: "col" }, first),
    others.map((name) => (name === "" ? h("td", {}) : h("th", { scope: "col", class: "number" }, name))),
  )

const served = (name) => name === SERVED

const method = (name) => h("th", { scope: "row" }, name, served(name) && h("span", { class: "badge" }, "served"))

function cell(value, text, best) {
  const told = text(value)
  return h(
    "td",
    { class: "number", "data-value": value ?? null },
    value === best && Number.isFinite(value) ? h("strong", {}, told) : told,
  )
}

function extreme(values, most) {
  const known = values.filter(Number.isFinite)
  return known.length ? (most ? Math.max : Math.min)(...known) : null
}

const listed = (names) => names.join(" and ")
