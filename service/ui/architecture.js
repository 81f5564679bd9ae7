// What a network is made of, in numbers and in words.

import { count, many } from "./format.js"

/** All weights and biases. */
export function parameters({ input_size, hidden_size, output_size, num_layers = 1, bias = true, taps = [] }) {
  const lowest = (input_size + hidden_size) * hidden_size
  const upper = (num_layers - 1) * 2 * hidden_size * hidden_size
  const readout = (hidden_size + taps.length * input_size) * output_size
  return lowest + upper + readout + (bias ? num_layers * hidden_size + output_size : 0)
}

/** Whether the readout reads the newest values without a hole between them. */
const unbroken = (taps) => taps.every((lag, i) => lag === i + 1)

/** Which values the readout reads beside the hidden state; nothing if it reads none. Lag 1 is the newest value. */
export function heard(taps = []) {
  if (!taps.length) return ""
  if (!unbroken(taps)) return `the values ${listed(taps.map((lag) => lag - 1))} steps back`
  return taps.length === 1 ? "the newest value" : `the last ${count(taps.length)} values`
}

/** The same as a formula. */
export function formula(taps = []) {
  if (!taps.length) return ""
  const terms = taps.map((lag) => (lag === 1 ? "x(t)" : `x(t−${lag - 1})`))
  if (unbroken(taps)) return terms.length === 1 ? terms[0] : `${terms[0]} … ${terms.at(-1)}`
  return terms.length > 3 ? `${terms[0]} … ${terms.at(-1)}, ${terms.length} of them` : terms.join(", ")
}

/** The hidden layers: `a hidden layer of 32 tanh units`. */
export const hidden = ({ hidden_size, num_layers = 1, nonlinearity }) =>
  (num_layers === 1 ? "a hidden layer of " : `${count(num_layers)} hidden layers, each of `) +
  `${count(hidden_size)} ${nonlinearity} units`

/** The whole network in a few sentences. */
export function sentences(architecture) {
  const { input_size, output_size, num_layers = 1, taps = [], residual, per_stream_scale } = architecture
  const beside = heard(taps)
  const change = `${output_size === 1 ? "that is" : "those are"} the change from the newest value to the next`
  return [
    `${many(input_size, "value")} at a time ${input_size === 1 ? "goes" : "go"} into ${hidden(architecture)}.`,
    "Each unit has a context unit, which keeps what it said one step before.",
    `The readout makes ${many(output_size, "number")} of the ${num_layers > 1 ? "uppermost " : ""}hidden state` +
      `${beside && ` and ${beside}`}${residual ? `; ${change}` : ""}.`,
    per_stream_scale ? "It sees every stream in units of the stream's own running mean and scale." : "",
  ].filter(Boolean)
}

/** The layers that a drawing has room for; null stands for those left out. */
export const drawn = (layers) =>
  layers <= 3 ? Array.from({ length: layers }, (_, layer) => layer) : [0, null, layers - 1]

const listed = (items) => (items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`)
