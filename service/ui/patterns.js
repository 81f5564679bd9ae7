// Sessions that are watched by what their ids begin with, and a star: those that come later are watched too.

import * as api from "./api.js"
import { h, say } from "./dom.js"
import { Repeat } from "./repeat.js"

const STAR = "*"
const EVERY = 10_000
const ROOM = 50 // cards; as long as there are fewer, more are looked for
const MOST = 1000 // that the service tells at once

export class Patterns {
  element = h("ul", { class: "patterns", hidden: true })
  #streams
  #changed
  #all = new Map() // by beginnings: {ids: those that it brought, or is not to bring again, words, item}
  #looks = new Repeat(() => this.#look(), EVERY)

  /** changed(): what `short` makes is something else. */
  constructor(streams, changed) {
    this.#streams = streams
    this.#changed = changed
    streams.addEventListener("watched", () => this.#show())
  }

  /** Look for such sessions from now on. -> false: it is no pattern but an id */
  take(name) {
    if (!name.endsWith(STAR)) return false
    const beginning = name.slice(0, -1)
    if (!this.#all.has(beginning)) this.#add(beginning)
    this.#looks.want(true)
    return true
  }

  /** A session is not to be watched any more, whatever its id begins with. */
  leave(id) {
    for (const [beginning, { ids }] of this.#all) if (id.startsWith(beginning)) ids.add(id)
  }

  /** What names all these ids: the patterns, and those ids that no pattern brought. */
  short(ids) {
    const brought = new Set([...this.#all.values()].flatMap((pattern) => [...pattern.ids]))
    return [...ids.filter((id) => !brought.has(id)), ...[...this.#all.keys()].map((beginning) => beginning + STAR)]
  }

  #add(beginning) {
    const name = beginning + STAR
    const words = h("span", { role: "status" })
    const stop = { type: "button", "aria-label": `Stop adding ${name}`, onClick: () => this.#drop(beginning) }
    const item = h("li", { class: "row" }, h("code", null, name), words, h("button", stop, "Stop"))
    this.#all.set(beginning, { ids: new Set(), words, item })
    this.element.append(item)
    this.#show()
    this.#changed()
  }

  #drop(beginning) {
    this.#all.get(beginning).item.remove()
    this.#all.delete(beginning)
    this.#looks.want(this.#all.size > 0)
    this.#show()
    this.#changed()
  }

  #show() {
    const { all } = this.#streams
    for (const [beginning, { words }] of this.#all) {
      const none = !all.some(({ id }) => id.startsWith(beginning))
      const added = none ? "None yet; they are added as they appear." : "New ones are added as they appear."
      say(words, this.#room > 0 ? added : `${all.length} sessions are watched: no further ones are added.`)
    }
    this.element.hidden = !this.#all.size
  }

  get #room() {
    return ROOM - this.#streams.all.length
  }

  async #look() {
    for (const [beginning, { ids, words }] of this.#all) {
      if (this.#room <= 0) return
      try {
        const page = await api.sessions({ prefix: beginning, limit: Math.min(MOST, ROOM + ids.size) })
        if (!this.#all.has(beginning)) continue
        const found = page.sessions.map(({ session_id }) => session_id)
        const fresh = found.filter((id) => !ids.has(id) && !this.#streams.get(id)).slice(0, Math.max(0, this.#room))
        for (const id of fresh) ids.add(id)
        if (fresh.length) this.#streams.watch(...fresh)
        this.#show()
      } catch (error) {
        say(words, `They cannot be looked for: ${error.message}.`)
      }
    }
  }
}
