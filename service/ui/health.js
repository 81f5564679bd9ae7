// Whether the service lives, whether it can serve, and what.

import * as api from "./api.js"
import { h, say } from "./dom.js"
import { duration } from "./format.js"

export class Health {
  #live = h("dd")
  #ready = h("dd")
  #answered = null

  constructor({ model, device }) {
    const pair = (name, ...told) => h("div", {}, h("dt", {}, name), told)
    this.element = h(
      "div",
      { class: "sheet health" },
      h("h3", {}, "Health"),
      h(
        "dl",
        { class: "facts" },
        pair("Ready", this.#ready),
        pair("Live", this.#live),
        pair("Model", h("dd", {}, h("a", { href: "#model" }, model))),
        pair("Computes on", h("dd", {}, device)),
      ),
    )
  }

  async load() {
    const begin = performance.now()
    const [live, ready] = await Promise.all([
      this.#asked(begin),
      api.ready().then(
        () => null,
        (error) => error,
      ),
    ])
    this.#mark(this.#live, !live, live ?? `yes, within ${duration((this.#answered - begin) / 1000)}`)
    this.#mark(this.#ready, !ready, ready ? `no: ${ready.message}` : "yes")
  }

  /** What is wrong; nothing if it answers. */
  async #asked(begin) {
    try {
      const answer = await api.ask("GET", "livez")
      if (!answer.ok) return `no: status ${answer.status}`
      this.#answered = performance.now()
      return null
    } catch {
      return this.#answered === null ? "no answer" : `no answer for ${duration((begin - this.#answered) / 1000)}`
    }
  }

  #mark(element, good, text) {
    element.dataset.ok = good
    say(element, text)
  }
}
