// Numbers as people read them. What is not known is a dash.

const DASH = "–"
const LONG = 6 // for a number at an axis

const known = Number.isFinite // true of numbers only
const signed = (text) => text.replaceAll("-", "−")
const bare = (text) => text.replace(/^-|\+/g, "")

/** Four digits. */
export function number(value) {
  if (!known(value)) return DASH
  const size = Math.abs(value)
  return signed(size >= 1e4 && size < 1e9 ? value.toFixed(0) : String(Number(value.toPrecision(4))))
}

/** The same with all four digits, so that those below each other stand in line. */
export const figure = (value) =>
  known(value) && Math.abs(value) >= 1e-3 && Math.abs(value) < 1e4 ? signed(value.toPrecision(4)) : number(value)

/**
 * Values of an axis, with as many digits as tell them apart, `apart` lying between each and the next; all by powers of
 * ten where that is shorter.
 */
export function labels(values, apart) {
  const tens = (value) => Math.floor(Math.log10(Math.abs(value)))
  const told = values.map((value) => {
    const digits = Math.min(Math.max(tens(value) - tens(apart) + 1, 0), 15)
    return value ? Number(value.toExponential(digits)) : 0 // which are no sums of rounded ones any more
  })
  const plain = told.map(String)
  const powers = told.map((value) => (value ? value.toExponential() : "0"))
  const longest = (texts) => Math.max(0, ...texts.map((text) => bare(text).length))
  const short = longest(plain) > LONG && longest(powers) < longest(plain) ? powers : plain
  return short.map((text) => signed(text.replace("e+", "e")))
}

/** A whole number, in groups of three digits. */
export const count = (value) => (known(value) ? value.toLocaleString("en-GB", { maximumFractionDigits: 0 }) : DASH)

/** `1 value`, `2 values`. */
export const many = (value, word, words = `${word}s`) => `${count(value)} ${value === 1 ? word : words}`

/** A share. */
export function percent(share, digits = 1) {
  if (!known(share)) return DASH
  const text = (share * 100).toFixed(digits)
  return `${signed(Number(text) === 0 ? text.replace("-", "") : text)} %`
}

/** So much a second. */
export const rate = (value) => (known(value) ? `${value < 10 ? Number(value.toFixed(1)) : count(value)} /s` : DASH)

/** Seconds in a unit that fits. */
export function duration(seconds) {
  if (!known(seconds)) return DASH
  if (seconds < 1e-3) return `${Math.round(seconds * 1e6)} µs`
  if (seconds < 1) return `${Number((seconds * 1e3).toPrecision(2))} ms`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}

/** A time of the service, seen from now. Clocks may differ a little: what is to come has not been. */
export const ago = (time, now) => (now - time < 1500 ? "now" : `${duration(Math.floor((now - time) / 1000))} ago`)

/** And one that lies ahead. */
export const ahead = (time, now) => (time - now < 1000 ? "now" : `in ${duration(Math.floor((time - now) / 1000))}`)
