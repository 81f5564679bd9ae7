// The sessions that this page watches, as the service tells of them, whoever sends the values.

import { listen } from "./push.js"

/** Steps that are remembered of a stream. */
export const LENGTH = 600

const OVERLAP = 150 // ms in which two connections tell the same: more than the service waits to tell things together

const SERIES = ["observed", "predicted", "lower", "upper", "anomaly"]

/**
 * What is known of one session. Arrays run in parallel: row i belongs to the observation with the number steps[i].
 * observed, predicted, lower, upper, anomaly: [target][row]; predicted and bounds are those made before the observation
 * came; the last row is of the value to come, so nothing is observed there yet. hidden: [row] the hidden state behind
 * the observation, a list for each layer, where it was told (see `Streams.attend`). came: [row] whether the observation was told to this page;
 * one that came without a value was missing.
 * state: the hidden state now, known also where no row is.
 * step: observations that the session has seen, null until it is known; alarm: {start_step} of the one that runs;
 * ended: {error, message} if there is no such session (any more); created_at: when it was created, as far as it is known.
 * It dispatches "change" (values came, or it was taken back) and "state" (it ended, is there again).
 */
class Stream extends EventTarget {
  constructor(id, targets) {
    super()
    Object.assign(this, { id, targets, step: null, alarm: null, ended: null, state: null, created_at: null })
    this.#clear()
  }

  #clear() {
    this.steps = []
    this.hidden = []
    this.came = []
    for (const name of SERIES) this[name] = this.targets.map(() => [])
  }

  /** The row of the newest observation, -1 if none is known. */
  get newest() {
    return this.steps.lastIndexOf(this.step)
  }

  /** Event "observed": values came, from whoever; or the answer to values that this page has sent, and these. */
  observe({ step, values, predictions, lower, upper, anomaly, alarm, hidden_state }) {
    if (!this.ended && this.step !== null && step <= this.step) return this.complete({ step, hidden_state })
    const first = step - values.length + 1
    if (this.ended && first !== this.step + 1) this.restart() // a session of the same name begins
    if (first !== this.step + 1) this.#cut(first - 1)
    values.forEach((value, i) => {
      const row = this.#row(first + i)
      this.came[row] = true
      this.targets.forEach((_, target) => {
        this.observed[target][row] = part(value, target)
        this.anomaly[target][row] = part(anomaly?.[i], target)
      })
      const next = this.#row(first + i + 1)
      this.targets.forEach((_, target) => {
        this.predicted[target][next] = part(predictions[i], target)
        this.lower[target][next] = part(lower?.[i], target)
        this.upper[target][next] = part(upper?.[i], target)
      })
    })
    Object.assign(this, { step, alarm: alarm ?? null, ended: null, state: hidden_state ?? null })
    this.hidden[this.newest] = hidden_state ?? null
    this.#forget()
    this.dispatchEvent(new Event("change"))
  }

  /** What was told already, by another connection or as an answer: only the hidden state may be new. */
  complete({ step, hidden_state }) {
    if (!hidden_state) return
    if (step === this.step) this.state = hidden_state
    const row = this.steps.lastIndexOf(step)
    if (row >= 0 && step <= this.step) this.hidden[row] ??= hidden_state
    this.dispatchEvent(new Event("change"))
  }

  /** Event "begun": what comes next is the first of it, whatever there was under its name. */
  begin({ created_at }) {
    if (created_at === this.created_at) return // told by two connections
    this.restart()
    Object.assign(this, { created_at, ended: null })
  }

  /** Event "session": it is there, at this step; first of all, and when it was made, restored or taken back. */
  place({ step, created_at, last_alarm, hidden_state }) {
    if (!this.ended && this.created_at !== null && this.created_at !== created_at) this.restart() // another, unseen
    this.created_at = created_at
    if (step !== this.step) this.#cut(step)
    const running = last_alarm && last_alarm.end_step === undefined
    Object.assign(this, { step, alarm: running ? last_alarm : null, ended: null, state: hidden_state ?? null })
    if (this.newest >= 0) this.hidden[this.newest] = hidden_state ?? null
    this.dispatchEvent(new Event("change"))
    this.dispatchEvent(new Event("state"))
  }

  /** Event "ended": there is no such session, or not any more. */
  end({ error, message }) {
    this.ended = { error, message }
    this.dispatchEvent(new Event("state"))
  }

  /** The row of an observation; rows are made at the end only. */
  #row(step) {
    const last = this.steps.length - 1
    if (this.steps[last] === step) return last
    const there = this.steps.lastIndexOf(step)
    if (there >= 0) return there
    this.steps.push(step)
    this.hidden.push(null)
    this.came.push(false)
    for (const name of SERIES) this[name].forEach((a) => a.push(null))
    return last + 1
  }

  /** Remember what another stream was told, of which this one is a copy. */
  copy(other) {
    for (const name of ["steps", "hidden", "came"]) this[name] = [...other[name]]
    for (const name of SERIES) this[name] = other[name].map((array) => [...array])
    Object.assign(this, { step: other.step, alarm: other.alarm, state: other.state })
  }

  /** Forget everything: what comes is of another session of this name. */
  restart() {
    this.#clear()
    Object.assign(this, { step: null, alarm: null, state: null, created_at: null })
    this.dispatchEvent(new Event("change"))
  }

  /**
   * Forget what is behind a step, but for what was predicted there: it was taken back, or values were missed, and then
   * nothing is made up.
   */
  #cut(step) {
    const keep = this.steps.findIndex((s) => s > step + 1)
    if (keep >= 0) this.#splice(keep, Infinity)
    const next = this.steps.lastIndexOf(step + 1)
    if (next >= 0) {
      this.hidden[next] = null
      this.came[next] = false
      for (const array of [...this.observed, ...this.anomaly]) array[next] = null
    }
    if (this.step !== null && step > this.step && this.steps.length) this.#row(this.step + 1)
  }

  #forget() {
    if (this.steps.length > LENGTH + LENGTH / 10) this.#splice(0, this.steps.length - LENGTH)
  }

  #splice(from, count) {
    const series = SERIES.flatMap((name) => this[name])
    for (const array of [this.steps, this.hidden, this.came, ...series]) array.splice(from, count)
  }
}

const part = (value, target) => (Array.isArray(value) ? value[target] : target === 0 ? value : null) ?? null

/**
 * All that are watched, over one connection. Dispatches "watched" (the set has changed) and "connection" (see
 * `connected` and `error`).
 */
export class Streams extends EventTarget {
  #streams = new Map()
  #closely = new Set()
  #open = [] // what ends each connection that is open or being opened, the newest last
  #live = new Set() // the ids that one of them tells of now
  #due = false
  connected = false
  error = null

  constructor(targets) {
    super()
    this.targets = targets
  }

  get all() {
    return [...this.#streams.values()]
  }

  get(id) {
    return this.#streams.get(id)
  }

  /** Watch a session from now on; also one that does not exist yet. */
  watch(...ids) {
    const fresh = ids.filter((id) => !this.#streams.has(id))
    for (const id of fresh) this.#streams.set(id, new Stream(id, this.targets))
    if (fresh.length) this.#changed()
    return this.#streams.get(ids[0])
  }

  unwatch(id) {
    this.#closely.delete(id)
    if (this.#streams.delete(id)) this.#changed()
  }

  /** Be told the hidden states of a session, too, from now on. */
  attend(id) {
    if (this.#closely.has(id)) return
    this.#closely.add(id)
    this.reconnect()
  }

  /**
   * Connect anew: because of another key, say; once for all that is asked for at this moment. The connection before goes
   * on until this one is there.
   */
  reconnect() {
    if (this.#due) return
    this.#due = true
    queueMicrotask(() => {
      this.#due = false
      this.#connect()
    })
  }

  #connect() {
    const ids = [...this.#streams.keys()]
    if (!ids.length) {
      for (const stop of this.#open.splice(0)) stop.abort()
      this.#live.clear()
      return
    }
    const stop = new AbortController()
    let held = this.#open.length ? [] : null // what it tells as long as the one before does, too
    this.#open.push(stop)
    const take = (connected) => {
      if (stop.signal.aborted) return
      for (const older of this.#open.splice(0, this.#open.indexOf(stop))) older.abort()
      const followed = this.#live
      this.#live = new Set(connected ? ids : [])
      const told = held ?? []
      held = null
      const heard = new Set()
      for (const [name, data] of told) {
        const first = !heard.has(data.session_id)
        heard.add(data.session_id)
        this.#told(name, data, first && followed.has(data.session_id))
      }
    }
    listen(ids, [...this.#closely], {
      told: (name, data) => (held ? held.push([name, data]) : this.#told(name, data)),
      changed: (connected, error) => {
        if (connected && held) setTimeout(take, OVERLAP, true)
        else take(connected)
        if (this.#open.at(-1) === stop) this.#connection(connected, error)
      },
      signal: stop.signal,
    })
  }

  #changed() {
    this.dispatchEvent(new Event("watched"))
    this.reconnect()
  }

  /** followed: the connection before has told this, too, if it is how the session was when this one began. */
  #told(name, data, followed = false) {
    const stream = this.#streams.get(data.session_id)
    if (!stream) return
    if (name === "observed") stream.observe(data)
    else if (name === "begun") stream.begin(data)
    else if (name === "session" && followed && stream.step !== null) stream.complete(data)
    else if (name === "session") stream.place(data)
    else if (name === "ended") stream.end(data)
  }

  #connection(connected, error) {
    Object.assign(this, { connected, error })
    this.dispatchEvent(new Event("connection"))
  }
}
