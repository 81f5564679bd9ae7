// The network left alone: what it would have gone on with from one step, to be seen beside what came.

import * as api from "./api.js"
import { byTarget } from "./shape.js"

const LENGTH = 60

/** step: where it was left alone; path: [target][steps behind that]. */
export class FreeRun {
  constructor(step, path) {
    Object.assign(this, { step, path })
  }

  /** From how the session is now. */
  static async of(id, targets) {
    const { step, forecast } = await api.forecast(id, LENGTH)
    return new FreeRun(step, byTarget(forecast, targets))
  }

  /** How far it has drifted from what was observed, and how far the predictions one step ahead were off meanwhile. */
  error(stream, target) {
    let [n, free, ahead, both] = [0, 0, 0, 0]
    stream.steps.forEach((step, row) => {
      const path = this.path[target][step - this.step - 1]
      const observed = stream.observed[target][row]
      if (path === undefined || path === null || observed === null) return
      n++
      free += (path - observed) ** 2
      const predicted = stream.predicted[target][row]
      if (predicted === null) return
      both++
      ahead += (predicted - observed) ** 2
    })
    return { n, free: Math.sqrt(free / n), ahead: Math.sqrt(ahead / both) }
  }
}
