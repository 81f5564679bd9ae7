// Looks at /metrics, one after the other: what is now, and what happened between two of them.

import { parse } from "./exposition.js"

const KEPT = 300_000 // milliseconds
const MINUTE = 60_000

/** Routes that nobody's work comes by: probes, the page, Prometheus. */
const ASIDE = /^\/(metrics|readyz|livez|healthz|ui|docs\.json|v2\/health)(\/|$)|^\/$/

/** One look, at a time in milliseconds. */
export class Reading {
  #samples

  constructor(text, time) {
    this.#samples = parse(text)
    this.time = time
  }

  /** The sum of all samples of this name; null if there are none, or they say nothing. */
  get(name) {
    const values = (this.#samples.get(name) ?? []).map(({ value }) => value).filter(Number.isFinite)
    return values.length ? values.reduce((sum, value) => sum + value, 0) : null
  }

  /** Answers so far, by status. */
  get statuses() {
    const statuses = {}
    for (const { labels, value } of this.#samples.get("elman_requests_total") ?? []) {
      if (!ASIDE.test(labels.route)) statuses[labels.status] = (statuses[labels.status] ?? 0) + value
    }
    return statuses
  }

  get requests() {
    return Object.values(this.statuses).reduce((sum, value) => sum + value, 0)
  }

  /** A histogram: how many were up to each edge. */
  buckets(name) {
    const samples = this.#samples.get(`${name}_bucket`) ?? []
    return samples.map(({ labels, value }) => ({
      edge: labels.le === "+Inf" ? Infinity : Number(labels.le),
      upto: value,
    }))
  }
}

/** Those of the last minutes, the oldest first. */
export class Readings {
  all = []

  /** One more. Sums that fell were begun anew: what was before is of another life of the service. */
  add(reading) {
    const before = this.all.at(-1)
    const fell =
      before &&
      ["elman_steps_total", "elman_sessions_created_total"].some((name) => reading.get(name) < before.get(name))
    if (fell || before?.requests > reading.requests) this.all = []
    this.all = [...this.all.filter(({ time }) => reading.time - time <= KEPT), reading]
  }

  get now() {
    return this.all.at(-1)
  }

  /** How long they reach back, a minute at least; milliseconds. */
  get span() {
    return Math.max(MINUTE, this.now.time - this.all[0].time)
  }

  /** The oldest one of the last `span` milliseconds; not the newest one itself. */
  since(span) {
    return this.all.slice(0, -1).find(({ time }) => this.now.time - time <= span) ?? null
  }

  /** What `measure` rose by a second, in the last `span` milliseconds; null as long as there is one reading only. */
  rate(measure, span) {
    const before = this.since(span)
    return before && (measure(this.now) - measure(before)) / ((this.now.time - before.time) / 1000)
  }

  /** The same between every reading and the next: {time, value}. */
  rates(measure) {
    return this.all.slice(1).map((reading, i) => {
      const before = this.all[i]
      return { time: reading.time, value: (measure(reading) - measure(before)) / ((reading.time - before.time) / 1000) }
    })
  }

  /** Quantiles of what a histogram counted in the last `span` milliseconds, and of how many; or since it began. */
  quantiles(name, shares, span) {
    const before = this.since(span)?.buckets(name)
    const now = this.now.buckets(name)
    const rise = before ? now.map(({ edge, upto }, i) => ({ edge, upto: upto - before[i].upto })) : now
    const recent = before && rise.at(-1)?.upto > 0
    const buckets = recent ? rise : now
    return { recent, count: buckets.at(-1)?.upto ?? 0, values: shares.map((share) => quantile(buckets, share)) }
  }
}

/** Within its bucket a value is supposed to be anywhere; above the last edge nobody knows. */
function quantile(buckets, share) {
  const all = buckets.at(-1)?.upto
  if (!all) return null
  const place = buckets.findIndex(({ upto }) => upto >= share * all)
  const { edge, upto } = buckets[place]
  const [low, below] = place ? [buckets[place - 1].edge, buckets[place - 1].upto] : [0, 0]
  return edge === Infinity ? Infinity : low + ((edge - low) * (share * all - below)) / (upto - below)
}
