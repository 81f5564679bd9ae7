// The units of a layer as small squares in a drawing, coloured by what they say.

import { svg } from "./dom.js"
import { shade } from "./palette.js"

/** More units than this are not told apart at this size; the first ones stand for all. */
export const MOST = 64
const LARGEST = 22

export class Cells {
  #squares
  #fills

  /** `across` of them side by side, within a width; from (x, y) on. */
  constructor(units, across, x, y, width) {
    const shown = Math.min(units, MOST)
    const columns = Math.min(shown, across)
    const size = Math.min(LARGEST, width / columns)
    const left = x + (width - columns * size) / 2
    this.height = Math.ceil(shown / columns) * size
    this.#squares = Array.from({ length: shown }, (_, unit) =>
      svg("rect", {
        x: left + (unit % columns) * size + 0.75,
        y: y + Math.floor(unit / columns) * size + 0.75,
        width: size - 1.5,
        height: size - 1.5,
        rx: 1.5,
      }),
    )
    this.#fills = this.#squares.map(() => null)
    this.element = svg("g", { class: "cells" }, this.#squares)
  }

  /** values: of all units, or null where they are not known; share: from a value to -1 ... 1. */
  show(values, share) {
    this.#squares.forEach((square, unit) => {
      const fill = values ? shade(share(values[unit])) : null
      if (fill === this.#fills[unit]) return
      this.#fills[unit] = fill
      if (fill) square.setAttribute("fill", fill)
      else square.removeAttribute("fill")
    })
  }
}
