// What of a stream is drawn: the last steps and those ahead, as arrays beside each other, and the ranges they need.

import { HORIZON } from "./fan.js"

const LEAST = 48 // steps on the axis, also of a young stream
const MARGIN = 0.06
const WORTH = 0.6 // of the axis that values take at least, or it shrinks

/** p-values below are drawn as anomalies. */
export const RARE = 0.001

/**
 * One target of a stream, with its Fan.now and FreeRun if there are, on an axis of `length` steps:
 * {x, observed, predicted, lower, upper, anomaly, forecast, free, outer, inner, from, to}; outer and inner are the
 * bands around the forecast, {lower, upper} or null; from and to are the ends of the axis.
 */
export function view({ stream, target, fan, free, length }) {
  const step = stream.step ?? 0
  const end = Math.max(fan ? fan.step + HORIZON : 0, free ? free.step + free.path[target].length : 0)
  const to = Math.max(step + HORIZON + 1, end, (stream.steps[0] ?? step) - 1 + LEAST)
  const start = Math.max(0, stream.steps.length - 1 - length)
  const x = stream.steps.slice(start)
  for (let next = (x.at(-1) ?? step) + 1; next <= end; next++) x.push(next)
  const part = (array) => padded(array[target].slice(start), x.length)
  const observed = part(stream.observed)
  const nothing = x.map(() => null)
  const ahead = (run, path) => x.map((at) => path[at - run.step - 1] ?? null)
  const opened = (path) => {
    const drawn = ahead(fan, path).map((value, i) => (x[i] < step ? null : value)) // not over what came
    const origin = x.indexOf(fan.step)
    if (fan.step === step && origin >= 0) drawn[origin] = observed[origin] // it opens at the last value
    return drawn
  }
  const band = (bounds) => bounds && { lower: opened(bounds.lower[target]), upper: opened(bounds.upper[target]) }
  return {
    x,
    observed,
    predicted: part(stream.predicted),
    lower: part(stream.lower),
    upper: part(stream.upper),
    anomaly: part(stream.anomaly),
    forecast: fan ? opened(fan.path[target]) : nothing,
    outer: fan ? band(fan.outer) : null,
    inner: fan ? band(fan.inner) : null,
    free: free ? ahead(free, free.path[target]) : nothing,
    from: Math.max((stream.steps[0] ?? step + 1) - 1, to - length),
    to,
  }
}

/** The vertical range of what is seen; the one before, as long as it still fits. */
export function range(seen, before) {
  let [low, high] = [Infinity, -Infinity]
  const { x, from, to } = seen
  const lines = ["observed", "predicted", "lower", "upper", "forecast", "free"].map((name) => seen[name])
  for (const values of [...lines, seen.outer?.lower ?? [], seen.outer?.upper ?? []]) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === null || x[i] < from || x[i] > to) continue
      if (value < low) low = value
      if (value > high) high = value
    }
  }
  if (low > high) return before ?? [-1, 1]
  if (before && before[0] <= low && before[1] >= high && high - low > WORTH * (before[1] - before[0])) return before
  const margin = (high - low || Math.abs(high) || 1) * MARGIN
  return [low - margin, high + margin]
}

function padded(array, length) {
  while (array.length < length) array.push(null)
  return array
}
