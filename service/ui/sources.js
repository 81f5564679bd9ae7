// What a session can be fed with: {kind, name, length, value(i), spread, guessed}. A value is a number, a list of one
// for each feature, or null where it is missing; `length` is Infinity for what goes on for ever; `spread` says of each
// feature how far its values usually lie apart, raw units; `guessed`: its columns have other names than the features.

import * as api from "./api.js"
import { NOTHING, columns } from "./csv.js"

// the tutorial's: sin over linspace(2, 10, 21), which goes on here
const START = 2
const STRIDE = 0.4
const DIGITS = 9

/** A sine as large as the model's training data; of several features each has a phase of its own. */
export function sine(model) {
  const { features } = model
  const at = (i, k) => Math.sin(START + STRIDE * i + (2 * Math.PI * k) / features.length)
  const spread = trained(model)
  const raw = (i, k) => Number(((model.center?.[k] ?? 0) + spread[k] * at(i, k)).toPrecision(DIGITS))
  return { kind: "sine", name: "sine", length: Infinity, value: (i) => one(features.map((_, k) => raw(i, k))), spread }
}

/** The series that comes with the service. */
export const sunspots = async (model) =>
  table(await api.series("sunspots.csv"), "sunspots", "sunspots, 1700 to 2008", model)

/** A column for each feature, out of text. */
export function table(text, kind, name, model) {
  const { features } = model
  const single = kind === "pasted" && features.length === 1 && text.trim().includes("\n")
  const { names, rows, guessed } = columns(text, features, single ? NOTHING : undefined)
  const own = () => names.map((_, k) => deviation(rows.map((row) => row[k])))
  const spread = model.architecture.per_stream_scale ? own() : trained(model)
  const taken = guessed ? `its columns are not called ${features.join(", ")}, so these are taken: ` : ""
  const described = `${name} (${taken}${names.join(", ")})`
  return { kind, name: described, length: rows.length, value: (i) => one(rows[i]), spread, guessed }
}

const trained = (model) => model.features.map((_, k) => model.spread?.[k] || 1)

/** Of the numbers among these values; 1 if they are all the same. */
function deviation(values) {
  const numbers = values.filter((value) => value !== null)
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length
  return Math.sqrt(numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length) || 1
}

/** As the service takes an observation; one of which nothing is known is missing. */
function one(values) {
  if (values.every((value) => value === null)) return null
  return values.length === 1 ? values[0] : values
}
