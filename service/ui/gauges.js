// What of /metrics matters, and how it is told: a value, a word of explanation, the last minutes as a line.

import { count, duration, number, percent, rate } from "./format.js"

const RECENT = 15_000
const MINUTE = 60_000

const ratio = (above, below) => (below > 0 ? above / below : null)
const course = (name) => (readings) => readings.all.map((reading) => ({ time: reading.time, value: reading.get(name) }))
const errors = (reading) => Object.entries(reading.statuses).filter(([status]) => status >= 400)
const summed = (pairs) => pairs.reduce((sum, [, value]) => sum + value, 0)
const learned = (reading) => reading.get("elman_scaled_error_count") ?? 0
const level = (reading) => reading.get("elman_calibration_level")

/** Of how many values something is told of predictions. */
function over(reading) {
  if (!level(reading)) return "nothing is told: the checkpoint is not calibrated"
  return learned(reading) ? `of ${count(learned(reading))} predicted values` : "no value was predicted yet"
}

function skill(reading) {
  const share = ratio(reading.get("elman_scaled_error_sum"), reading.get("elman_naive_scaled_error_total"))
  return share === null ? null : 1 - share
}

/**
 * name: heading; value: what is told of the readings, as text, or parts: rows of a table; aside: beside it;
 * line: {time, value}, the oldest first; says: what it means.
 */
export const GAUGES = [
  {
    name: "Live sessions",
    value: ({ now }) =>
      now.get("elman_sessions_active") === null ? "not counted" : count(now.get("elman_sessions_active")),
    line: course("elman_sessions_active"),
    says: "Streams whose context is held here. A store that several services share is not counted.",
  },
  {
    name: "Sessions so far",
    value: ({ now }) => `${count(now.get("elman_sessions_created_total"))} created`,
    aside: ({ now }) =>
      ["expired", "deleted"].map((end) => `${count(now.get(`elman_sessions_${end}_total`))} ${end}`).join(", "),
    says: "Since the service started. Many that expire: streams end, or pause for longer than is waited for.",
  },
  {
    name: "Requests",
    value: (readings) => rate(readings.rate((reading) => reading.requests, RECENT)),
    aside: ({ now }) => `${count(now.requests)} so far`,
    line: (readings) => readings.rates((reading) => reading.requests),
    says: "Answered a second, without probes, /metrics and this page's files.",
  },
  {
    name: "Errors",
    value: (readings) => rate(readings.rate((reading) => summed(errors(reading)), RECENT)),
    aside: ({ now }) =>
      errors(now)
        .map(([status, value]) => `${status}: ${count(value)}`)
        .join(", ") || "none so far",
    line: (readings) => readings.rates((reading) => summed(errors(reading))),
    says: "Requests refused, by status. 4xx: the client is to change something; 5xx: the service cannot, now.",
  },
  {
    name: "Observations",
    value: (readings) => rate(readings.rate((reading) => reading.get("elman_steps_total"), RECENT)),
    aside: ({ now }) => `${count(now.get("elman_steps_total"))} so far`,
    line: (readings) => readings.rates((reading) => reading.get("elman_steps_total")),
    says: "Values applied to contexts a second.",
  },
  {
    name: "Time of a prediction",
    aside: (readings) => times(readings, "compute").of,
    parts: (readings) =>
      ["queue", "compute", "store"].map((part) => {
        const { half, most } = times(readings, part)
        return [part, half, most]
      }),
    says:
      "Half of the requests take up to p50, all but one in a hundred up to p99. Queue: waiting for the session's " +
      "turn; compute: the network; store: keeping the context.",
  },
  {
    name: "Streams in alarm",
    value: ({ now }) =>
      now.get("elman_sessions_active") === null ? count(now.get("elman_sessions_in_alarm")) : percent(alarmed(now)),
    aside: ({ now }) =>
      `${count(now.get("elman_sessions_in_alarm"))} now, ${count(now.get("elman_alarms_total"))} raised so far`,
    line: course("elman_sessions_in_alarm"),
    says: "Live sessions that are not what they were. Many at once have one cause more often than many.",
  },
  {
    name: "Coverage",
    value: ({ now }) => percent(ratio(now.get("elman_covered_total"), learned(now))),
    aside: ({ now }) => `${promised(now)}${over(now)}`,
    says: "Values inside of their interval, against the checkpoint's level. Close to it: intervals are right.",
  },
  {
    name: "Skill over persistence",
    value: ({ now }) => percent(skill(now)),
    aside: ({ now }) => over(now),
    says: "How much smaller errors are than those of saying the last value again. 0: no better; below: worse.",
  },
  {
    name: "Drift",
    value: ({ now }) =>
      number(ratio(ratio(now.get("elman_scaled_error_sum"), learned(now)), now.get("elman_calibration_error"))),
    aside: ({ now }) => over(now),
    says: "Mean error over that of the calibration. 1: as good as when the checkpoint was made; 2: twice as far off.",
  },
  {
    name: "Replays and conflicts",
    value: ({ now }) => `${count(now.get("elman_replays_total"))} and ${count(now.get("elman_conflicts_total"))}`,
    says: "Requests answered again instead of being applied twice, and those refused because of their step.",
  },
  {
    name: "Watchers",
    value: ({ now }) => count(now.get("elman_watchers")),
    line: course("elman_watchers"),
    says: "Pages and programs that are told of sessions as values arrive, this one among them if it watches any.",
  },
]

const alarmed = (reading) => ratio(reading.get("elman_sessions_in_alarm"), reading.get("elman_sessions_active")) ?? 0

const promised = (reading) => (level(reading) ? `${percent(level(reading), 0)} promised; ` : "")

/** p50 and p99 of a part of requests, and of which requests. */
function times(readings, part) {
  const { recent, count: many, values } = readings.quantiles(`elman_${part}_seconds`, [0.5, 0.99], MINUTE)
  const [half, most] = values.map((value) => (value === Infinity ? "over 5 s" : duration(value)))
  const when = recent ? "in the last minute" : "since the service started"
  return { half, most, of: many ? `of ${count(many)} requests ${when}` : "no request was timed yet" }
}
