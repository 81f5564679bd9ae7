// A small line without axes.

import { svg } from "./dom.js"

const WIDTH = 100
const HEIGHT = 24

export class Spark {
  #path = svg("path", { "vector-effect": "non-scaling-stroke" })
  element = svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#path,
  )

  /** points: {time, value}, the newest last; span: milliseconds that the whole width stands for. */
  show(points, span) {
    const known = points.filter(({ value }) => Number.isFinite(value))
    const most = Math.max(...known.map(({ value }) => value), 0) || 1
    const last = known.at(-1)?.time
    const x = (time) => WIDTH * (1 - (last - time) / span)
    const y = (value) => 1 + (HEIGHT - 2) * (1 - Math.max(0, value) / most)
    const place = ({ time, value }) => `${x(time).toFixed(2)} ${y(value).toFixed(2)}`
    this.#path.setAttribute("d", known.length > 1 ? `M${known.map(place).join("L")}` : "")
  }
}
