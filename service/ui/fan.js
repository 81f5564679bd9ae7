// How a stream may go on: forecasts, asked for as it moves, a few at once over the whole page.

import * as api from "./api.js"
import { limit } from "./limit.js"
import { byTarget } from "./shape.js"

export const HORIZON = 24
const INNER = 0.5
const EVERY = 250
const EVERY_SMALL = 4000

const soonest = limit(3)

/**
 * The forecast of one stream. `now`: {step, path, outer, inner}, the last two {lower, upper} or null; each is
 * [target][steps ahead]. small: one band will do, and less often.
 */
export class Fan {
  now = null
  small = false
  #asking = false
  #asked = -Infinity
  #later = 0

  /** wanted(): whether somebody would see it; drawn(): there is another one. */
  constructor(stream, model, { wanted, drawn }) {
    Object.assign(this, { stream, model, wanted, drawn })
  }

  /** The stream has moved, or is looked at again. */
  follow() {
    const { step, ended } = this.stream
    if (this.now && (ended || step < this.now.step)) this.now = null
    if (!step || ended || this.now?.step === step || this.#asking || this.#later || !this.wanted()) return
    const wait = this.#asked + (this.small ? EVERY_SMALL : EVERY) - performance.now()
    if (wait > 0) this.#later = setTimeout(() => this.#again(), wait)
    else this.#ask()
  }

  close() {
    clearTimeout(this.#later)
    this.wanted = () => false
  }

  #again() {
    this.#later = 0
    this.follow()
  }

  async #ask() {
    this.#asking = true
    try {
      const made = await soonest(() => (this.wanted() ? this.#fetch() : null))
      if (made && made.step <= (this.stream.step ?? -1)) this.now = made
      this.drawn()
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error // the page says elsewhere what is wrong with the service
    }
    this.#asking = false
    this.#asked = performance.now()
    this.follow()
  }

  async #fetch() {
    const { id } = this.stream
    const { level, targets } = this.model
    const both = level && !this.small
    const [outer, inner] = await Promise.all([
      api.forecast(id, HORIZON, level),
      both ? api.forecast(id, HORIZON, INNER) : null,
    ])
    const path = byTarget(outer.forecast, targets)
    const bounds = (answer) =>
      answer?.lower ? { lower: byTarget(answer.lower, targets), upper: byTarget(answer.upper, targets) } : null
    return { step: outer.step, path, outer: bounds(outer), inner: inner?.step === outer.step ? bounds(inner) : null }
  }
}
