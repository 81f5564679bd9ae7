// The last steps of a stream, one after the other, whether they are known or not.

/**
 * Up to `length` of them, the newest last: {step, observed, predicted, hidden}; predicted is for the value after it,
 * and hidden the state behind it, a list for each layer. null is what is not known.
 */
export function past(stream, target, length) {
  const { step } = stream
  if (!step) return []
  const first = Math.max(1, step - length + 1, Math.min(stream.steps[0] ?? step, step))
  const columns = Array.from({ length: step - first + 1 }, (_, i) => ({
    step: first + i,
    observed: null,
    predicted: null,
    hidden: null,
  }))
  stream.steps.forEach((at, row) => {
    const here = columns[at - first]
    const before = columns[at - first - 1]
    if (here) Object.assign(here, { observed: stream.observed[target][row], hidden: stream.hidden[row] })
    if (before) before.predicted = stream.predicted[target][row]
  })
  columns.at(-1).hidden ??= stream.state
  return columns
}

/** The largest thing that any unit says there, for units that have no limit. */
export function largest(columns) {
  let most = 0
  for (const { hidden } of columns) {
    if (hidden) for (const layer of hidden) for (const value of layer) if (value > most) most = value
  }
  return most || 1
}
