// The answers of the service go step by step, drawings go target by target.

/** [steps] of numbers, or of lists of one for each target -> [target][steps] */
export const byTarget = (rows, targets) =>
  targets.map((_, target) => rows.map((row) => (Array.isArray(row) ? row[target] : row)))
