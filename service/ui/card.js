// One session on the page: its chart, what it says of itself, and what can be done with it.

import { Actions } from "./actions.js"
import { Alarms } from "./alarms.js"
import { Chart } from "./chart.js"
import { Controls } from "./controls.js"
import { field, h, say } from "./dom.js"
import { Fan } from "./fan.js"
import { Fate } from "./fate.js"
import { Feed } from "./feed.js"
import { number } from "./format.js"
import { soon } from "./frames.js"
import { LastSteps } from "./laststeps.js"
import { Legend, chance } from "./legend.js"
import { sine } from "./sources.js"

export class Card {
  target = 0
  #visible = false
  #small = null
  #alarms = new Alarms()
  #tools = null // made when they are first seen
  #draw = () => this.#drawn()

  /**
   * board: {streams, forked, renewed, unwatch}, the last three told the card; setup: what one begins with that is not
   * new.
   */
  constructor(stream, model, board, setup) {
    Object.assign(this, { stream, model, board, forkedAt: setup?.like ? setup.step : null })
    this.feed = new Feed(stream, model, sine(model))
    if (setup?.like) stream.copy(setup.like)
    if (setup) this.feed.restore(setup.feed, setup.step)
    this.fate = new Fate(this, {
      renew: () => board.renewed(this),
      changed: () => soon(this.#draw),
      marked: () => Boolean(this.#tools?.actions.marks.length),
    })
    this.#build()
    this.chart = new Chart(this.plot, () => soon(this.#draw))
    this.fan = new Fan(stream, model, {
      wanted: () => this.#visible && !document.hidden && board.streams.connected,
      drawn: () => soon(this.#draw),
    })
    stream.addEventListener("change", () => this.#moved())
    stream.addEventListener("state", () => this.#moved())
    this.feed.addEventListener("change", () => soon(this.#draw))
    this.#moved()
  }

  /** Whether somebody sees it: only then it is drawn. */
  set visible(visible) {
    this.#visible = visible
    if (visible) this.#moved()
  }

  /** Small ones have only a chart, and the rest when it is asked for. */
  set small(small) {
    if (small === this.#small) return
    this.#small = this.fan.small = small
    this.element.classList.toggle("small", small)
    this.more.open = !small
    this.summary.hidden = !small
    if (small) this.more.append(this.manage)
    else this.head.append(this.manage)
    this.#furnish()
    this.chart.rebuild(small)
    soon(this.#draw)
  }

  /** Let the keyboard go on where the feed is. */
  focus() {
    this.#tools?.controls.playing.focus()
  }

  /** Draw again with other colours. */
  repaint() {
    soon(this.#draw)
  }

  close() {
    this.feed.pause()
    this.fan.close()
    this.chart.close()
    this.element.remove()
  }

  #build() {
    const { id } = this.stream
    const { targets } = this.model
    this.step = h("span", { class: "badge" })
    this.alarm = h("span", { class: "badge alarm", hidden: true })
    const unwatch = h("button", { type: "button", onClick: () => this.board.unwatch(this) }, "Unwatch")
    this.manage = h("span", { class: "row manage" }, unwatch, this.fate.end)
    const options = targets.map((name, i) => h("option", { value: i }, name))
    const choose = h("select", { onChange: () => this.#choose(Number(choose.value)) }, options)
    this.head = h(
      "header",
      null,
      h("h2", null, id),
      this.step,
      this.alarm,
      targets.length > 1 && field("Target", choose),
      this.manage,
    )
    this.plot = h("div", {
      class: "plot",
      tabindex: "0",
      role: "slider",
      "aria-label": `Chart of ${id}; arrow keys move from step to step`,
      "aria-valuemin": 0,
      "aria-valuemax": 0,
      "aria-valuenow": 0,
      "aria-valuetext": "no value yet",
    })
    this.summary = h("summary", { hidden: true }, "More")
    this.more = h("details", { class: "more", onToggle: () => this.#furnish() }, this.summary)
    const parts = [this.head, this.fate.message, this.plot, this.more]
    this.element = h("article", { "aria-label": id, class: "card sheet" }, parts)
    this.element.addEventListener("dragover", (event) => this.#drag(event, true))
    this.element.addEventListener("dragleave", (event) => this.#drag(event, false))
    this.element.addEventListener("drop", (event) => this.#drop(event))
  }

  /** Make what is below the chart, once it is to be seen. */
  #furnish() {
    if (this.#tools || !this.more.open) return
    const legend = new Legend(this.model.level)
    const controls = new Controls(this.feed)
    const actions = new Actions(this, {
      forked: (copy) => this.board.forked(this, copy),
      changed: () => this.#moved(),
      failed: (error) => this.fate.fail(error),
    })
    const numbers = new LastSteps(this.stream.id)
    numbers.element.addEventListener("toggle", () => soon(this.#draw))
    this.more.append(legend.element, controls.element, actions.element, numbers.element)
    if (this.#small) this.more.append(this.manage) // behind the rest
    this.#tools = { legend, controls, actions, numbers }
    soon(this.#draw)
  }

  #moved() {
    this.#alarms.follow(this.stream)
    this.fan.follow()
    soon(this.#draw)
  }

  #drawn() {
    if (!this.element.isConnected) return
    this.#state()
    this.#tools?.actions.show(this.target)
    if (this.#tools?.numbers.open) this.#tools.numbers.show(this.stream, this.target)
    if (!this.#visible) return
    this.chart.draw({
      stream: this.stream,
      target: this.target,
      fan: this.fan.now,
      free: this.#tools?.actions.free ?? null,
      alarms: this.#alarms.spans,
      marks: this.#marks(),
    })
    this.#cursor()
  }

  #marks() {
    const marks = (this.#tools?.actions.marks ?? []).map(({ step }) => ({ step, text: `mark ${step}` }))
    return this.forkedAt === null ? marks : [...marks, { step: this.forkedAt, text: "fork" }]
  }

  /** The values under the cursor, or else the newest. */
  #cursor() {
    const { seen, under } = this.chart
    if (!seen || !this.more.open) return
    const row = under ?? seen.x.lastIndexOf(this.stream.step)
    this.#tools.legend.show(seen, row)
    if (document.activeElement !== this.plot || row < 0) return
    const bounds = seen.lower[row] === null ? "" : `, ${number(seen.lower[row])} to ${number(seen.upper[row])}`
    const rare = seen.anomaly[row] === null ? "" : `, p-value ${chance(seen.anomaly[row])}`
    const observed = seen.observed[row] === null ? "" : ` observed ${number(seen.observed[row])},`
    Object.assign(this.plot, {
      ariaValueMin: seen.x[0],
      ariaValueMax: seen.x.at(-1),
      ariaValueNow: seen.x[row],
      ariaValueText: `step ${seen.x[row]}:${observed} predicted ${number(seen.predicted[row])}${bounds}${rare}`,
    })
  }

  /** What the session says of itself. */
  #state() {
    const { step, alarm } = this.stream
    say(this.step, `step ${step ?? 0}`)
    say(this.alarm, alarm ? `alarm since step ${alarm.start_step}` : "")
    this.alarm.hidden = !alarm
    this.fate.show()
  }

  #choose(target) {
    this.target = target
    this.chart.rebuild()
    soon(this.#draw)
  }

  #drag(event, over) {
    if (!event.dataTransfer?.types.includes("Files")) return
    event.preventDefault()
    this.element.classList.toggle("dropping", over)
  }

  #drop(event) {
    this.#drag(event, false)
    const [file] = event.dataTransfer?.files ?? []
    if (!file) return
    event.preventDefault()
    this.more.open = true
    this.#furnish()
    this.#tools.controls.take(file)
  }
}
