// When a stream's alarms ran, as far as this page has seen it.

export class Alarms {
  /** {from, to}: the first and the last step; to is null while it runs. */
  spans = []

  follow({ alarm, step }) {
    this.spans = this.spans.filter(({ from }) => from <= step)
    const last = this.spans.at(-1)
    if (last && last.to !== null && last.to > step) last.to = null // taken back to while it ran
    if (alarm && last?.from !== alarm.start_step) {
      this.#end(step)
      this.spans.push({ from: alarm.start_step, to: null })
    } else if (alarm) last.to = null
    else this.#end(step)
  }

  #end(step) {
    const last = this.spans.at(-1)
    if (last && last.to === null) last.to = step
  }
}
