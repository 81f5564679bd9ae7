// How the hidden state is painted on a canvas: the series above, a row for each unit, a column for each step.

import { colour } from "./colours.js"
import { number } from "./format.js"
import { pixel } from "./palette.js"

const SHORTEST = 60 // steps that the axis of time is made for at least
const NICE = [1, 2, 5, 10, 20, 50, 100]
const POWERS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

// In fifteenths of the page's letters.
const SERIES = 64
const LEFT = 46
const RIGHT = 8
const BOTTOM = 38
const BETWEEN = 12
const TALLEST = 16 // a unit
const WHOLE = 380 // all units

/** The canvas, and where on it things are. */
export class Strip {
  #canvas
  #layers
  #units
  #image = document.createElement("canvas")
  #size = { width: 0 }
  #columns = []

  constructor(canvas, layers, units) {
    this.#canvas = canvas
    this.#layers = layers
    this.#units = units
  }

  /** Take this width. -> whether it must be painted again */
  resize(width) {
    const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 15
    const ratio = devicePixelRatio
    if (width === this.#size.width && ratio === this.#size.ratio && unit === this.#size.unit) return false
    const rows = this.#layers * this.#units
    const row = Math.min(TALLEST, WHOLE / rows) * unit
    const height = (SERIES + BETWEEN * this.#layers + BOTTOM) * unit + row * rows
    this.#size = { width, height, unit, row, ratio }
    if (!width) return false
    this.#canvas.style.height = `${height}px`
    this.#canvas.width = Math.round(width * ratio)
    this.#canvas.height = Math.round(height * ratio)
    return true
  }

  /** columns: of `past`; share: from what a unit says to -1 ... 1; pointed: {step, layer, unit}, to be framed. */
  paint(columns, share, pointed) {
    this.#columns = columns
    const { width, height, unit, ratio } = this.#size
    if (!width) return
    const context = this.#canvas.getContext("2d")
    const places = this.#places
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, width, height)
    context.font = `${12 * unit}px system-ui, sans-serif`
    context.textBaseline = "middle"
    this.#paintSeries(context, places)
    if (columns.length) this.#paintUnits(context, places, share)
    this.#paintRows(context, places)
    this.#paintSteps(context, places)
    if (pointed) this.#paintPointed(context, places, pointed)
  }

  /** What is at a point of the canvas: {step, layer, unit}, or null. */
  at(x, y) {
    const { begin, wide, tops, tall } = this.#places
    const column = this.#columns[Math.floor((x - begin) / wide)]
    if (!column) return null
    const layer = Math.max(
      0,
      tops.findLastIndex((top) => y >= top),
    )
    const inside = Math.floor(((y - tops[layer]) / tall) * this.#units)
    return { step: column.step, layer, unit: Math.max(0, Math.min(this.#units - 1, inside)) }
  }

  /** left: where columns may begin; begin: where the first one does; tops: of the layers; tall: how high one is. */
  get #places() {
    const { width, unit, row } = this.#size
    const left = LEFT * unit
    const right = width - RIGHT * unit
    const wide = (right - left) / Math.max(SHORTEST, this.#columns.length)
    const tall = row * this.#units
    const tops = Array.from({ length: this.#layers }, (_, l) => (SERIES + BETWEEN * (l + 1)) * unit + l * tall)
    return { left, right, wide, begin: right - wide * this.#columns.length, tops, tall }
  }

  #paintSeries(context, { left, begin, wide }) {
    const { unit } = this.#size
    const seen = this.#columns.map(({ observed }) => observed).filter((value) => value !== null)
    const [low, high] = [Math.min(...seen), Math.max(...seen)]
    this.#label(context, "x(t)", left, (SERIES / 2) * unit)
    if (!seen.length) return
    if (high > low) {
      this.#label(context, number(high), left, 9 * unit)
      this.#label(context, number(low), left, (SERIES - 7) * unit)
    }
    const y = (value) => (high > low ? 6 + (SERIES - 12) * (1 - (value - low) / (high - low)) : SERIES / 2) * unit
    context.strokeStyle = colour("observed")
    context.lineWidth = 1.5 * unit
    Object.assign(context, { lineJoin: "round", lineCap: "round" })
    context.beginPath()
    let before = null
    this.#columns.forEach(({ observed }, i) => {
      const x = begin + (i + 0.5) * wide
      if (observed !== null) {
        if (before === null) context.moveTo(x - 1.5, y(observed)) // so that a value by itself is seen
        context.lineTo(x, y(observed))
      }
      before = observed
    })
    context.stroke()
  }

  #paintUnits(context, { begin, wide, tops, tall }, share) {
    const columns = this.#columns.length
    context.fillStyle = hatching(context)
    for (const top of tops) context.fillRect(begin, top, wide * columns, tall)
    Object.assign(this.#image, { width: columns, height: this.#layers * this.#units }) // which clears it
    const image = this.#image.getContext("2d")
    const data = image.createImageData(this.#image.width, this.#image.height)
    const pixels = new Uint32Array(data.data.buffer)
    for (const [column, { hidden }] of this.#columns.entries()) {
      let at = column
      for (const layer of hidden ?? []) {
        for (const value of layer) {
          pixels[at] = pixel(share(value))
          at += columns
        }
      }
    }
    image.putImageData(data, 0, 0)
    context.imageSmoothingEnabled = false
    context.strokeStyle = colour("line")
    context.lineWidth = 1
    tops.forEach((top, l) => {
      context.drawImage(this.#image, 0, l * this.#units, columns, this.#units, begin, top, wide * columns, tall)
      context.strokeRect(begin, top, wide * columns, tall)
    })
  }

  #paintRows(context, { left, tops, tall }) {
    const { unit, row } = this.#size
    const every = POWERS.find((n) => n * row >= 28 * unit) ?? this.#units
    tops.forEach((top, layer) => {
      this.#label(context, 1, left, top + 0.5 * row)
      for (let u = every; u <= this.#units; u += every) this.#label(context, u, left, top + (u - 0.5) * row)
      context.save()
      context.translate(8 * unit, top + tall / 2)
      context.rotate(-Math.PI / 2)
      context.textAlign = "center"
      context.fillText(this.#layers > 1 ? `layer ${layer + 1}` : "unit", 0, 0)
      context.restore()
    })
  }

  #paintSteps(context, { left, right, begin, wide, tops, tall }) {
    const { unit } = this.#size
    const foot = tops.at(-1) + tall
    const every = NICE.find((n) => n * wide >= 48 * unit) ?? 100
    context.fillStyle = colour("quiet")
    context.textAlign = "center"
    this.#columns.forEach(({ step }, i) => {
      const x = begin + (i + 0.5) * wide
      if (step % every || x > right - 8 * unit) return
      context.fillRect(x - 0.5, foot, 1, 4 * unit)
      context.fillText(step, x, foot + 12 * unit)
    })
    context.fillText("step", (left + right) / 2, foot + 28 * unit)
  }

  #paintPointed(context, { begin, wide, tops, tall }, { step, layer, unit: u }) {
    const place = this.#columns.findIndex((column) => column.step === step)
    if (place < 0) return
    const { unit, row } = this.#size
    const x = begin + place * wide
    context.strokeStyle = colour("focus")
    context.lineWidth = 2
    context.strokeRect(x - 1, 2, wide + 2, tops.at(-1) + tall - 2)
    context.strokeRect(x - 3 * unit, tops[layer] + u * row - 1, wide + 6 * unit, row + 2)
  }

  /** Words before the axis. */
  #label(context, text, left, y) {
    context.fillStyle = colour("quiet")
    context.textAlign = "right"
    context.fillText(text, left - 6 * this.#size.unit, y)
  }
}

/** What stands for nothing known. */
function hatching(context) {
  const tile = document.createElement("canvas")
  Object.assign(tile, { width: 8, height: 8 })
  const pen = tile.getContext("2d")
  pen.strokeStyle = colour("line")
  pen.lineWidth = 1.5
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8)
    pen.lineTo(shift + 8, 0)
  }
  pen.stroke()
  return context.createPattern(tile, "repeat")
}
