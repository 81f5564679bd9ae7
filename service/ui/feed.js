// Values, sent to a session one after the other. Each is applied once, whatever happens on the way.

import * as api from "./api.js"
import { GONE } from "./gone.js"

const PAUSES = [250, 500, 1000, 2000, 3000]
const MOST = 50 // values in one request
const PATIENCE = 2000 // ms
const LATE = 500 // ms that are caught up with; longer breaks are not
const SPIKE = 8 // spreads of the source
const SHIFT = 3
const GAP = 5

/** These pass by themselves: the same request is sent again. */
const passes = ({ code, status }) =>
  code !== "numerical_error" && (code === "unreachable" || [408, 429].includes(status) || status >= 500)

/**
 * What feeds one session. playing; waiting: the error that is waited out; stopped: the one that is final; position: the
 * next value of the source; spike, gap, shifted: what is about to happen to values. Dispatches "change".
 */
export class Feed extends EventTarget {
  playing = false
  waiting = null
  stopped = null
  position = 0
  spike = false
  gap = 0
  shifted = false
  #speed = 5
  #step = null // of the session, as far as is known here
  #batch = null // sent, and not yet answered
  #stop = new AbortController()
  #last = Promise.resolve()

  constructor(stream, model, source) {
    super()
    Object.assign(this, { stream, model, source })
  }

  get speed() {
    return this.#speed
  }

  /** Values a second. */
  set speed(speed) {
    this.#speed = speed
    if (this.playing) this.#start()
  }

  /** Whether the source has nothing more. */
  get over() {
    return this.position >= this.source.length
  }

  /** Feed something else, from its beginning. */
  begin(source) {
    Object.assign(this, { source, position: 0 })
    this.#changed()
  }

  play() {
    if (this.over) this.position = 0
    Object.assign(this, { playing: true, stopped: null })
    this.#start()
    this.#changed()
  }

  pause() {
    this.#stop.abort()
    Object.assign(this, { playing: false, waiting: null })
    this.#changed()
  }

  /** Send one value. */
  once() {
    if (this.playing || this.waiting) return
    if (this.over) this.position = 0
    this.stopped = null
    const { signal } = (this.#stop = new AbortController())
    this.#turn(() => this.#deliver(1, signal))
  }

  /** Go on with a session that begins again; what the one before has not answered is sent to it. */
  anew() {
    this.pause()
    Object.assign(this, this.place())
    this.#batch = null
    this.#step = 0
    this.stream.restart()
    this.play()
  }

  /** Something for the next value or values; a level shift stays until it is taken back. */
  disturb(kind) {
    if (kind === "spike") this.spike = true
    if (kind === "gap") this.gap = GAP
    if (kind === "shift") this.shifted = !this.shifted
    this.#changed()
  }

  /** Where it is, but for what was not answered: to go back to, or for another feed to start from. */
  place() {
    if (this.#batch) return this.#batch.before
    const { source, position, spike, gap, shifted } = this
    return { source, position, spike, gap, shifted }
  }

  /** Go to such a place, the session being at this step. */
  restore(place, step) {
    Object.assign(this, place)
    this.#step = step
    this.#changed()
  }

  /** Do something while no value is on its way. */
  hold(work) {
    return this.#turn(() => {
      if (this.#batch) throw new Error("The last value has not been answered yet; play on first.")
      return work()
    })
  }

  #turn(work) {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }

  #start() {
    this.#stop.abort()
    this.#stop = new AbortController()
    this.#run(this.#stop.signal)
  }

  async #run(signal) {
    let due = performance.now()
    while (!signal.aborted) {
      const each = 1000 / this.#speed
      const count = Math.min(1 + Math.max(0, Math.floor((performance.now() - due) / each)), MOST)
      await this.#turn(() => signal.aborted || this.#deliver(count, signal))
      due = Math.max(due + count * each, performance.now() - LATE)
      await sleep(due - performance.now(), signal)
    }
  }

  /** Send what was not answered, or else the next values, until that is settled or `signal` says so. */
  async #deliver(count, signal) {
    const batch = (this.#batch ??= this.#take(count))
    if (!batch) return this.pause()
    for (let tries = 0; ; tries++) {
      try {
        batch.step ??= await this.#find()
        const answer = await api.predict(this.stream.id, batch.values, batch.step)
        if (batch !== this.#batch) return
        if (batch.step === (this.stream.step ?? 0)) this.stream.observe({ ...answer, values: batch.values })
        return this.#applied(batch)
      } catch (error) {
        if (!(error instanceof api.ApiError)) throw error
        if (batch !== this.#batch) return // it is sent to another session
        if (error.code === "step_conflict") {
          if (batch.unsure && this.#isThere(batch)) return this.#applied(batch)
          batch.step = error.details.expected_step // others feed it too
          batch.unsure = false
        } else if (passes(error)) {
          batch.unsure ||= error.code === "unreachable"
          this.waiting = error
          this.#changed()
          await sleep(PAUSES[Math.min(tries, PAUSES.length - 1)], signal)
          if (signal.aborted) return
        } else return this.#halt(error, batch)
      }
    }
  }

  /** The next values as they are to be sent; null at the end of the source. */
  #take(count) {
    const before = this.place()
    const values = []
    while (values.length < count && !this.over) values.push(this.#next())
    return values.length ? { values, step: this.#known, before, unsure: false } : null
  }

  /** The session's step as far as it is known here: others may have fed it meanwhile. */
  get #known() {
    const { ended, step } = this.stream
    return this.#step === null || ended ? this.#step : Math.max(this.#step, step)
  }

  #next() {
    const value = this.source.value(this.position++)
    if (this.gap > 0) {
      this.gap--
      return null
    }
    if (value === null) return null
    const by = (this.shifted ? SHIFT : 0) + (this.spike ? SPIKE : 0)
    this.spike = false
    if (!by) return value
    const { features, targets } = this.model
    const isMoved = (part, k) => part !== null && targets.includes(features[k])
    const moved = (part, k) => (isMoved(part, k) ? part + by * this.source.spread[k] : part)
    return Array.isArray(value) ? value.map(moved) : moved(value, 0)
  }

  /** The session's step, 0 if it is still to be made; as it was told, which may be late: the service then says so. */
  async #find() {
    const { stream } = this
    if (stream.step === null && !stream.ended) await told(stream)
    return stream.step ?? 0
  }

  /** Whether values whose answer was lost had been applied before others sent theirs. */
  #isThere({ values, step }) {
    const row = this.stream.steps.indexOf(step + 1)
    const { features, targets } = this.model
    return (
      row >= 0 &&
      values.every((value, i) =>
        targets.every((name, target) => {
          const part = Array.isArray(value) ? value[features.indexOf(name)] : value
          return this.stream.observed[target][row + i] === part
        }),
      )
    )
  }

  #applied({ values, step }) {
    this.#step = step + values.length
    this.#batch = null
    this.waiting = null
    if (this.over) this.pause()
    else this.#changed()
  }

  /** It will not pass: what was not applied is still to come. */
  #halt(error, { before }) {
    this.#batch = null
    this.#step = null
    Object.assign(this, before, { stopped: error })
    if (GONE.includes(error.code)) this.stream.end({ error: error.code, message: error.message })
    this.pause()
  }

  #changed() {
    this.dispatchEvent(new Event("change"))
  }
}

/** Until something is known of a stream, but not for ever. */
const told = (stream) =>
  new Promise((resolve) => {
    stream.addEventListener("state", resolve, { once: true })
    setTimeout(resolve, PATIENCE)
  })

const sleep = (ms, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(done, ms)
    signal.addEventListener("abort", done)
    function done() {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
  })
