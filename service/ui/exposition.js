// The text of /metrics (Prometheus exposition format 0.0.4): samples by name.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g
const ESCAPED = { n: "\n", "\\": "\\", '"': '"' }
const WORDS = { "+Inf": Infinity, "-Inf": -Infinity, NaN: NaN }

/** Name -> list of {labels, value}. */
export function parse(text) {
  const samples = new Map()
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = (line[0] !== "#" && SAMPLE.exec(line)) || []
    if (!name) continue
    if (!samples.has(name)) samples.set(name, [])
    samples.get(name).push({ labels: named(labels), value: WORDS[value] ?? Number(value) })
  }
  return samples
}

function named(text) {
  const labels = {}
  for (const [, name, value] of text.matchAll(LABEL)) labels[name] = value.replace(/\\(.)/g, (_, c) => ESCAPED[c] ?? c)
  return labels
}
