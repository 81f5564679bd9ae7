// The view "Service": is it well, who is there, what do the numbers say.

import { h, say } from "./dom.js"
import { Health } from "./health.js"
import { Numbers } from "./numbers.js"
import { Repeat } from "./repeat.js"
import { Sessions } from "./sessions.js"

const EVERY = 3000

export function mountService(section, { model, streams }) {
  const health = new Health(model)
  const numbers = new Numbers()
  const sessions = new Sessions(streams, () => found.now())
  const trouble = h("p", { class: "trouble", role: "status" })
  const wrong = new Map()
  const found = new Repeat(() => tried(sessions), EVERY)
  const looked = new Repeat(() => Promise.all([health.load(), tried(numbers)]), EVERY)
  section.append(h("h2", {}, "Service"), trouble, health.element, sessions.element, numbers.element)

  /** What could not be asked for stays as it was, and it is said why; that nobody answers is said above all views. */
  async function tried(part) {
    try {
      await part.load()
      wrong.delete(part)
    } catch (error) {
      if (error.code !== "unreachable") wrong.set(part, `Not up to date: ${error.message}.`)
    }
    say(trouble, [...new Set(wrong.values())].join(" "))
  }

  return {
    shown(visible) {
      found.want(visible)
      looked.want(visible)
    },
  }
}
