// A stream as a chart: uPlot has the axes, the lines and the cursor; bands, alarms and marks are painted below them.

import { colour } from "./colours.js"
import { labels } from "./format.js"
import { RARE, range, view } from "./view.js"
import uPlot from "./vendor/uPlot.esm.js"

const PIXELS = 5 // for one step
const PIXELS_SMALL = 3
const ALARM = 0.14 // opacity
const WHOLE = [1, 10, 100, 1000, 1e4, 1e5, 1e6].flatMap((n) => [n, 2 * n, 5 * n]) // between steps that are told

export class Chart {
  /** What the cursor is over, a row of `seen`; null: nothing. */
  under = null
  seen = null
  #plot = null
  #size = { width: 0, height: 0 }
  #x = [0, 1]
  #y = null
  #letters = 12 // their size
  #pinned = null // the step that the keyboard has chosen
  #moved

  small = false // with less around the lines

  /** root: takes up its place; moved(): the cursor has, or the size. */
  constructor(root, moved) {
    this.root = root
    this.#moved = moved
    this.watcher = new ResizeObserver(([{ contentRect }]) => {
      if (this.#plot && this.#letters !== letters()) this.rebuild()
      this.#size = { width: Math.round(contentRect.width), height: Math.round(contentRect.height) }
      moved()
    })
    this.watcher.observe(root)
    root.addEventListener("keydown", (event) => this.#key(event))
    root.addEventListener("blur", () => this.#pin(null))
  }

  /** scene: as of view(), and alarms: {from, to} each, level, marks: {step, text} each. */
  draw(scene) {
    const { width, height } = this.#size
    if (!width || !height) return
    const length = Math.floor(width / (this.small ? PIXELS_SMALL : PIXELS))
    const { alarms, marks, stream } = scene
    const seen = (this.seen = { ...view({ ...scene, length }), alarms, marks, step: stream.step })
    this.#x = [seen.from, seen.to]
    this.#y = range(seen, this.#y)
    const isRare = (p) => p !== null && p < RARE
    const unlikely = seen.observed.map((value, i) => (isRare(seen.anomaly[i]) ? value : null))
    const data = [seen.x, seen.observed, seen.predicted, seen.forecast, seen.free, unlikely]
    const plot = (this.#plot ??= this.#made(data))
    if (plot.width !== width || plot.height !== height) plot.setSize(this.#size)
    plot.batch(() => plot.setData(data))
    if (this.#pinned !== null) this.#point()
  }

  /** Draw with other surroundings; nothing of the one before stays. */
  rebuild(small = this.small) {
    this.small = small
    this.#plot?.destroy()
    this.#plot = null
  }

  close() {
    this.watcher.disconnect()
    this.rebuild()
  }

  #made(data) {
    const size = (this.#letters = letters())
    const axis = {
      stroke: () => colour("quiet"),
      grid: { stroke: () => colour("line"), width: 0.5 },
      ticks: { show: false },
      font: `${size}px system-ui, sans-serif`,
      gap: 4,
    }
    const plain = { auto: false, points: { show: false } }
    const line = (name, width, more) => ({ ...plain, stroke: () => colour(name), width, ...more })
    const dots = this.small ? {} : { points: { size: 4.5, width: 0, fill: () => colour("observed") } }
    const red = () => colour("anomaly")
    const ring = { show: true, size: this.small ? 9 : 13, width: 2, stroke: red, fill: "transparent" }
    const options = {
      ...this.#size,
      padding: [6, 14, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
      scales: { x: { time: false, range: () => this.#x }, y: { range: () => this.#y } },
      axes: [
        { ...axis, size: 1.9 * size, space: 60, incrs: WHOLE, values: (_, splits) => splits },
        {
          ...axis,
          size: (_, texts) => size * Math.max(4.2, 1 + 0.65 * longest(texts)),
          space: this.small ? 30 : 40,
          values: (_, splits, _axis, _space, apart) => labels(splits, apart),
        },
      ],
      series: [
        {},
        line("observed", 1.5, dots),
        line("predicted", 1.5),
        line("fan", 1.5, { dash: [6, 4] }),
        line("free", 2),
        { ...line("anomaly", 0), paths: () => null, points: ring },
      ],
      hooks: { drawAxes: [(plot) => this.#below(plot)], setCursor: [(plot) => this.#over(plot)] },
    }
    return new uPlot(options, data, this.root)
  }

  /** Alarms, marks and bands. */
  #below({ ctx, bbox }) {
    const { seen } = this
    if (!seen) return
    const [left, right] = this.#x
    const [low, high] = this.#y
    const across = (step) => bbox.left + ((step - left) / (right - left)) * bbox.width
    const down = (value) => bbox.top + ((high - value) / (high - low)) * bbox.height
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    ctx.fillStyle = colour("anomaly")
    ctx.globalAlpha = ALARM
    for (const { from, to } of seen.alarms) {
      ctx.fillRect(across(from), bbox.top, across(to ?? seen.step) - across(from), bbox.height)
    }
    ctx.globalAlpha = 1
    this.#flags(ctx, bbox, across)
    const paint = (bounds, name) => bounds && band(ctx, seen.x, bounds, across, down, colour(name))
    paint(seen, "band")
    paint(seen.outer, "fan-band")
    paint(seen.inner, "fan-band")
    ctx.restore()
  }

  /** The marked steps. */
  #flags(ctx, bbox, across) {
    const ratio = devicePixelRatio
    ctx.strokeStyle = ctx.fillStyle = colour("quiet")
    ctx.lineWidth = ratio
    ctx.setLineDash([3 * ratio, 3 * ratio])
    ctx.font = `${this.#letters * ratio}px system-ui, sans-serif`
    ctx.textBaseline = "top"
    ctx.textAlign = "left"
    for (const { step, text } of this.seen.marks) {
      ctx.beginPath()
      ctx.moveTo(across(step), bbox.top)
      ctx.lineTo(across(step), bbox.top + bbox.height)
      ctx.stroke()
      if (!this.small) ctx.fillText(text, across(step) + 4 * ratio, bbox.top + 2 * ratio)
    }
  }

  #over({ cursor }) {
    const under = cursor.idx ?? null
    if (under === this.under) return
    this.under = under
    this.#moved()
  }

  #key(event) {
    const { seen } = this
    if (!seen?.x.length) return
    const at = this.#pinned ?? seen.step
    const to = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageUp: at - 10,
      PageDown: at + 10,
      Home: seen.from + 1,
      End: seen.x.at(-1),
      Escape: null,
    }[event.key]
    if (to === undefined) return
    event.preventDefault()
    this.#pin(to === null ? null : Math.min(Math.max(to, seen.x[0], seen.from), seen.x.at(-1)))
  }

  #pin(step) {
    if (step === this.#pinned) return
    this.#pinned = step
    if (this.#plot) this.#point()
  }

  #point() {
    const left = this.#pinned === null ? -10 : this.#plot.valToPos(this.#pinned, "x")
    this.#plot.setCursor({ left, top: 0 })
  }
}

const longest = (texts) => Math.max(0, ...(texts ?? []).map((text) => text.length))

/** Their size on this screen. */
const letters = () => Math.round(0.8 * parseFloat(getComputedStyle(document.documentElement).fontSize))

/** Between two lines, wherever both are known. */
function band(ctx, x, { lower, upper }, across, down, fill) {
  ctx.fillStyle = fill
  ctx.beginPath()
  for (let i = 0; i < x.length; i++) {
    if (lower[i] === null || upper[i] === null) continue
    let end = i
    while (end + 1 < x.length && lower[end + 1] !== null && upper[end + 1] !== null) end++
    ctx.moveTo(across(x[i]), down(upper[i]))
    for (let j = i + 1; j <= end; j++) ctx.lineTo(across(x[j]), down(upper[j]))
    for (let j = end; j >= i; j--) ctx.lineTo(across(x[j]), down(lower[j]))
    i = end
  }
  ctx.fill()
}
