// The view "Watch": sessions side by side, and the page's own feeds.

import * as api from "./api.js"
import { Card } from "./card.js"
import { field, h } from "./dom.js"
import { notify } from "./main.js"
import { Patterns } from "./patterns.js"
import { keep, place } from "./place.js"

const MOST_LARGE = 8 // more cards than that are small
const OFFERED = 20 // ids that are proposed while one is typed
const PATIENCE = 1500 // ms
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

const WELCOME =
  "Type the id of a session to watch it live, or make a new stream and feed it from here. " +
  "The prediction of the next value is drawn as soon as a value arrives, whoever sends it."

export function mountWatch(section, app) {
  const board = new Board(section, app)
  board.follow()
  addEventListener("hashchange", () => place().fresh && board.follow())
  return { shown: () => board.write() }
}

class Board {
  #cards = new Map()
  #setups = new Map() // of cards that are about to be made
  #used = new Set() // ids that were watched here

  constructor(section, { model, streams }) {
    Object.assign(this, { model, streams })
    this.list = h("datalist", { id: "session-ids" })
    this.patterns = new Patterns(streams, () => this.write())
    const offer = () => this.#offer()
    const plain = { autocomplete: "off", spellcheck: "false", required: true }
    this.input = h("input", { list: "session-ids", ...plain, onInput: offer, onFocus: offer })
    this.grid = h("div", { class: "cards" })
    this.empty = h(
      "div",
      { class: "empty sheet" },
      h("p", null, WELCOME),
      h("button", { type: "button", class: "primary", onClick: () => this.#begin({ play: true }) }, "Play the sine"),
    )
    const bar = h(
      "form",
      { class: "row bar", onSubmit: (event) => this.#submit(event) },
      field("Session", this.input),
      this.list,
      h("button", null, "Watch"),
      h("button", { type: "button", onClick: () => this.#begin({}) }, "New stream"),
      h("small", null, "An id, or the beginning of many and a star: pump-*"),
    )
    section.append(bar, this.patterns.element, this.empty, this.grid)
    this.seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const card = this.#cards.get(target.getAttribute("aria-label"))
        if (card) card.visible = isIntersecting
      }
    })
    streams.addEventListener("watched", () => this.#arrange())
    addEventListener("theme", () => this.#cards.forEach((card) => card.repaint()))
  }

  /** Watch what the address names, beside what is watched already. */
  follow() {
    this.#name(place().sessions)
  }

  /** Let the address name what is watched, in every view, so that it can be shared and loaded again. */
  write() {
    const ids = this.streams.all.map(({ id }) => id)
    keep(this.patterns.short(ids))
  }

  /** A copy of a session: watched beside it, and fed as it is, as soon as nothing of it can be missed. */
  async forked(card, { id, step, feed }) {
    const copy = this.#watch(id, { like: card.stream, step, feed, after: card })
    copy.feed.speed = card.feed.speed
    await heard(copy.stream)
    if (card.feed.playing) copy.feed.play()
  }

  /** The session is gone and cannot have its name again: another one in its place, fed from where it was. */
  async renewed(card) {
    const next = await this.#fresh(card.stream.id, { step: 0, feed: card.feed.place(), after: card })
    next.feed.speed = card.feed.speed
    next.feed.play()
    this.unwatch(card)
  }

  unwatch(card) {
    this.patterns.leave(card.stream.id)
    this.streams.unwatch(card.stream.id)
  }

  /** Watch sessions by their ids, or by what they begin with and a star. */
  #name(names) {
    const ids = names.filter((name) => !this.patterns.take(name))
    if (ids.length) this.streams.watch(...ids)
  }

  #watch(id, setup) {
    this.#setups.set(id, setup)
    this.streams.watch(id)
    this.#setups.delete(id)
    return this.#cards.get(id)
  }

  /** The set of watched sessions has changed. */
  #arrange() {
    for (const [id, card] of this.#cards) {
      if (this.streams.get(id) === card.stream) continue
      this.seen.unobserve(card.element)
      card.close()
      this.#cards.delete(id)
    }
    const small = this.streams.all.length > MOST_LARGE
    for (const stream of this.streams.all) {
      if (!this.#cards.has(stream.id)) this.#add(stream, small)
    }
    for (const card of this.#cards.values()) card.small = small
    this.grid.classList.toggle("many", small)
    this.empty.hidden = this.#cards.size > 0
    this.write()
  }

  #add(stream, small) {
    const setup = this.#setups.get(stream.id)
    const card = new Card(stream, this.model, this, setup)
    card.small = small
    this.#cards.set(stream.id, card)
    this.#used.add(stream.id)
    if (setup?.after) setup.after.element.after(card.element)
    else this.grid.append(card.element)
    this.seen.observe(card.element)
  }

  #submit(event) {
    event.preventDefault()
    const name = this.input.value.trim()
    this.input.value = ""
    notify()
    if (name) this.#name([name])
  }

  async #begin({ play = false }) {
    const card = this.#watch(`stream-${word()}`)
    await heard(card.stream)
    if (!play) return
    card.feed.play()
    card.focus()
  }

  /** A card of the first of base-2, base-3 and so on that no session has, or has had of late. */
  async #fresh(base, setup) {
    const taken = new Set(await this.#named(`${base}-`, 1000))
    for (let n = 2; ; n++) {
      const id = `${base}-${n}`
      if (taken.has(id) || this.#used.has(id)) continue
      const card = this.#watch(id, setup)
      const { ended } = await heard(card.stream)
      if (!ended || ended.error === "session_unknown") return card
      this.unwatch(card)
    }
  }

  async #named(prefix, limit) {
    return (await api.sessions({ prefix, limit })).sessions.map(({ session_id }) => session_id)
  }

  async #offer() {
    const prefix = this.input.value.trim()
    try {
      const ids = await this.#named(prefix, OFFERED)
      if (this.input.value.trim() === prefix) this.list.replaceChildren(...ids.map((value) => h("option", { value })))
    } catch {
      // proposals are not missed
    }
  }
}

/** So that two people who begin at the same time do not begin the same stream. */
const word = () => Array.from({ length: 5 }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join("")

/** A stream, as soon as something is known of it; without a connection, as it is. */
const heard = (stream) =>
  new Promise((resolve) => {
    stream.addEventListener("state", () => resolve(stream), { once: true })
    setTimeout(() => resolve(stream), PATIENCE)
  })
