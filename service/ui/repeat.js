// Something that is done again and again, as long as it is wanted and the page is looked at; never twice at once.

export class Repeat {
  #job
  #pause
  #timer = null
  #busy = false
  #again = false
  #wanted = false

  /** pause: milliseconds from the end of one to the next. */
  constructor(job, pause) {
    this.#job = job
    this.#pause = pause
    document.addEventListener("visibilitychange", () => this.now())
  }

  want(wanted) {
    this.#wanted = wanted
    this.now()
  }

  /** At once; if it is just being done, once more behind that. */
  async now() {
    clearTimeout(this.#timer)
    if (!this.#wanted || document.hidden) return
    this.#again = this.#busy
    if (this.#busy) return
    this.#busy = true
    try {
      await this.#job()
    } finally {
      this.#busy = false
      if (this.#again) this.now()
      else this.#timer = setTimeout(() => this.now(), this.#pause)
    }
  }
}
