// What is said of a session that is not there, yet or any more, and what can be done about it.

import * as api from "./api.js"
import { h, say } from "./dom.js"
import { GONE, told } from "./gone.js"

const UNKNOWN = "session_unknown"
const FINAL = [404, 409, 410]

export class Fate {
  #problem = null
  #deleted = null // the token of what was deleted here

  /**
   * renew(): have a session of another name instead; changed(): there is something else to say; marked(): whether there
   * are points to come back to.
   */
  constructor({ stream, feed }, { renew, changed, marked }) {
    Object.assign(this, { stream, feed, renew, changed, marked })
    const button = (text, onClick) => h("button", { type: "button", onClick }, text)
    this.words = h("span")
    this.begin = button("Begin anew", () => this.#begin())
    this.restore = button("Restore", () => this.#try(() => this.#restore()))
    this.message = h("p", { class: "message", role: "status" }, this.words, this.begin, this.restore)
    this.end = button("Delete", () => this.#try(() => this.#delete()))
    this.show()
  }

  show() {
    const { step, ended } = this.stream
    const { playing, stopped } = this.feed
    const isNew = ended?.error === UNKNOWN && step === null
    const gone = ended && !isNew && ended.error !== "invalid_request" // which no name that is made of it mends
    const wrong = this.#problem ?? (ended && !isNew ? this.#why(ended) : "")
    const first = isNew && !playing ? "There is no such session yet; it begins with its first value." : ""
    say(this.words, wrong || first)
    this.message.classList.toggle("wrong", Boolean(wrong))
    this.begin.hidden = !gone && !FINAL.includes(stopped?.status)
    this.restore.hidden = !(gone && this.#deleted)
    this.message.hidden = !this.words.textContent && this.begin.hidden
  }

  /** Something that was tried went wrong, or nothing did; that the session is gone is said as long as it is. */
  fail(error) {
    const gone = error && GONE.includes(error.code)
    this.#problem = error && !gone ? error.message : null
    if (gone) this.stream.end({ error: error.code, message: error.message })
    this.changed()
  }

  /** What has happened, and what can be done here. */
  #why(ended) {
    if (!GONE.includes(ended.error)) return `This session cannot be watched. The service says: ${ended.message}.`
    const ways = [
      this.#deleted && "Restore brings it back as it was.",
      this.marked() && "Rewind takes it back to a marked point.",
      `Begin anew plays the feed to a new session of ${ended.error === UNKNOWN ? "this" : "another"} name.`,
    ]
    return [told(ended), ...ways.filter(Boolean)].join(" ")
  }

  async #try(work) {
    try {
      await work()
      this.fail(null)
    } catch (error) {
      this.fail(error)
    }
  }

  async #delete() {
    this.feed.pause()
    const { context } = await api.session(this.stream.id)
    await api.remove(this.stream.id)
    this.#deleted = context
  }

  async #restore() {
    await api.restore(this.stream.id, this.#deleted)
    this.#deleted = null
  }

  /** Go on where the feed was, with a session that begins: of this name if it may have it, else of another one. */
  #begin() {
    if ((this.feed.stopped?.code ?? this.stream.ended?.error) === UNKNOWN) this.feed.anew()
    else this.#try(this.renew)
  }
}
