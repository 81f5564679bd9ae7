// The table of live sessions: found by how their ids begin, page by page, kept fresh without losing one's place.

import * as api from "./api.js"
import { h, say } from "./dom.js"
import { ago, ahead, many } from "./format.js"
import { told } from "./gone.js"

const NAMES = ["Step", "Last seen", "Expires", "Alarm"] // of what is said of a session
const PAGE = 20
const MOST = 1000 // that the service tells at once

export class Sessions {
  #streams
  #refresh
  #wanted = PAGE
  #rows = new Map()
  #leaving = new Set()
  #body = h("tbody", { role: "rowgroup" })
  #search = h("input", {
    id: "session-search",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 256,
  })
  #told = h("p", { class: "quiet", role: "status" })
  #said = h("p", { class: "row", role: "status" })
  #more = h("button", { type: "button", hidden: true, onclick: () => this.#page() }, "More")

  /** refresh: ask for a `load` soon. */
  constructor(streams, refresh) {
    this.#streams = streams
    this.#refresh = refresh
    this.#search.addEventListener("input", () => {
      this.#wanted = PAGE
      refresh()
    })
    streams.addEventListener("watched", () =>
      this.#rows.forEach((row, id) => row.link.setAttribute("href", this.#place(id))),
    )
    const head = ["Session", ...NAMES].map((name) =>
      h("th", { role: "columnheader", scope: "col", class: name === "Step" && "number" }, name),
    )
    this.element = h(
      "div",
      { class: "sheet sessions" },
      h("h3", {}, "Sessions"),
      h("p", { class: "row" }, h("label", { for: "session-search" }, "Search by the beginning of an id"), this.#search),
      this.#said,
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          { role: "table", "aria-label": "Sessions" },
          h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head, h("td", { role: "cell" }))),
          this.#body,
        ),
      ),
      h("div", { class: "row" }, this.#told, this.#more),
    )
  }

  /** Ask for as many as are wanted, and show them. */
  async load() {
    const prefix = this.#search.value
    const found = []
    let cursor = ""
    do {
      const page = await api.sessions({ prefix, cursor, limit: Math.min(MOST, this.#wanted - found.length) })
      found.push(...page.sessions)
      cursor = page.cursor ?? ""
    } while (cursor && found.length < this.#wanted)
    if (prefix !== this.#search.value) return // asked for something else meanwhile
    this.#show(found)
    this.#more.hidden = !cursor
    const begin = prefix && ` whose id begins with “${prefix}”`
    say(
      this.#told,
      found.length
        ? `${cursor ? "The first " : ""}${many(found.length, "live session")}${begin}.`
        : `No live session${begin}.`,
    )
  }

  #page() {
    this.#wanted += PAGE
    this.#refresh()
  }

  /** Rows stay the elements that they are, so that neither the focus nor the place on the page is lost. */
  #show(found) {
    const ids = new Set(found.map(({ session_id }) => session_id))
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#drop(id)
    let next = this.#body.firstElementChild
    for (const session of found) {
      const row = this.#rows.get(session.session_id) ?? this.#row(session.session_id)
      row.tell(session)
      if (row.element === next) next = next.nextElementSibling
      else this.#body.insertBefore(row.element, next)
    }
  }

  #drop(id) {
    const { element } = this.#rows.get(id)
    this.#rows.delete(id)
    const neighbour = element.nextElementSibling ?? element.previousElementSibling
    if (element.contains(document.activeElement)) (neighbour?.querySelector("button") ?? this.#search).focus()
    element.remove()
  }

  #row(id) {
    const link = h("a", { href: this.#place(id) }, id)
    const [seen, expires] = [h("time"), h("time")]
    const inside = [null, seen, expires, null]
    const cells = NAMES.map((name, i) =>
      h("td", { role: "cell", "data-name": name, class: name === "Step" && "number" }, inside[i]),
    )
    const [step, , , alarm] = cells
    const button = h(
      "button",
      { type: "button", "aria-label": `Delete ${id}`, onclick: () => this.#delete(id) },
      "Delete",
    )
    const element = h(
      "tr",
      { role: "row" },
      h("th", { role: "rowheader", scope: "row" }, link),
      cells,
      h("td", { role: "cell" }, button),
    )
    const tell = (session) => {
      const now = Date.now()
      say(step, session.step)
      tellTime(seen, session.used_at, ago, now)
      tellTime(expires, session.expires_at, ahead, now)
      say(alarm, alarmed(session.last_alarm))
      alarm.classList.toggle("running", Boolean(session.last_alarm && !session.last_alarm.end_step))
    }
    const row = { element, link, tell }
    this.#rows.set(id, row)
    return row
  }

  /** Where it is watched, beside those that are. */
  #place(id) {
    const ids = new Set([...this.#streams.all.map((stream) => stream.id), id])
    return `#watch?${new URLSearchParams([...ids].map((one) => ["session", one]))}`
  }

  /** Its context is kept here until something else is deleted, so that it can be brought back. */
  async #delete(id) {
    if (this.#leaving.has(id)) return
    this.#leaving.add(id) // the button stays able: one that is not loses the focus
    try {
      const token = await api.session(id).then(
        ({ context }) => context,
        () => null,
      )
      await api.remove(id)
      if (this.#rows.has(id)) this.#drop(id)
      const undo = token && h("button", { type: "button", onclick: () => this.#restore(id, token) }, "Undo")
      this.#said.replaceChildren(...[h("span", {}, `${id} was deleted.`), undo].filter(Boolean))
    } catch (error) {
      this.#said.replaceChildren(told(error))
    }
    this.#leaving.delete(id)
    this.#refresh()
  }

  async #restore(id, token) {
    try {
      await api.restore(id, token)
      this.#said.replaceChildren(`${id} is there again.`)
      this.#search.focus()
    } catch (error) {
      this.#said.replaceChildren(told(error))
    }
    this.#refresh()
  }
}

function tellTime(element, time, words, now) {
  say(element, words(Date.parse(time), now))
  if (element.dateTime === time) return
  element.dateTime = time
  element.title = new Date(time).toLocaleString("en-GB")
}

function alarmed(alarm) {
  if (!alarm) return "none"
  const { start_step: start, end_step: end } = alarm
  return end ? `steps ${start} to ${end}` : `since step ${start}`
}
