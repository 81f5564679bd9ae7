// What drawings of networks are made of: boxes, values, arrows.

import { svg } from "./dom.js"

const HEAD = 6

/** A line through points, x and y in turn, with its head at the last one. */
export function arrow(kind, ...numbers) {
  const points = numbers.flatMap((x, i) => (i % 2 ? [] : [[x, numbers[i + 1]]]))
  const [[px, py], [x, y]] = points.slice(-2)
  const length = Math.hypot(x - px, y - py) || 1
  const [ux, uy] = [(HEAD * (x - px)) / length, (HEAD * (y - py)) / length]
  const [bx, by] = [x - ux, y - uy]
  const line = [...points.slice(0, -1), [bx, by]].map((point) => point.join(" ")).join("L")
  const [sx, sy] = [uy * 0.6, -ux * 0.6] // to the sides
  const head = `M${x} ${y}L${bx + sx} ${by + sy}L${bx - sx} ${by - sy}Z`
  return svg("g", { class: `arrow ${kind}` }, svg("path", { d: `M${line}`, class: "shaft" }), svg("path", { d: head }))
}

/** A frame. */
export const box = (x, y, width, height, kind = "") => svg("rect", { x, y, width, height, rx: 7, class: `box ${kind}` })

/** A frame with round ends, for a value; filled in later through its text. */
export function pill(x, y, width, height, kind, text = "") {
  const inside = words(x + width / 2, y + height / 2 + 4.5, text, "value")
  const element = svg("g", { class: `pill ${kind}` }, svg("rect", { x, y, width, height, rx: height / 2 }), inside)
  return { element, text: inside }
}

/** Words around a middle; or from a point on, if `anchor` is start or end. */
export const words = (x, y, text, kind = "", anchor = "middle") =>
  svg("text", { x, y, "text-anchor": anchor, class: kind }, text)

/** What stands for layers that are left out. */
export const dots = (x, y) =>
  svg(
    "g",
    { class: "dots" },
    [-7, 0, 7].map((d) => svg("circle", { cx: x, cy: y + d, r: 1.7 })),
  )
