// The colours of what a unit says: cold below nought, paper at nought, warm above.

import { colour } from "./colours.js"

const SHADES = 256

let ramp = null

addEventListener("theme", () => (ramp = null))

/** The shade of a share from -1 to 1, as an attribute or a canvas has it. */
export const shade = (share) => made().names[place(share)]

/** The same as a number of the pixels of a canvas: 0xAABBGGRR. */
export const pixel = (share) => made().pixels[place(share)]

const place = (share) => Math.round((Math.max(-1, Math.min(1, share)) + 1) * (SHADES / 2))

const channels = (name) =>
  colour(name)
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map(Number)

function made() {
  if (ramp) return ramp
  const [cold, paper, warm] = ["cold", "paper", "warm"].map(channels)
  ramp = { names: [], pixels: new Uint32Array(SHADES + 1) }
  for (let i = 0; i <= SHADES; i++) {
    const share = (2 * i) / SHADES - 1
    const end = share < 0 ? cold : warm
    const [r, g, b] = paper.map((from, c) => Math.round(from + (end[c] - from) * Math.abs(share)))
    ramp.names.push(`rgb(${r}, ${g}, ${b})`)
    ramp.pixels[i] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
  }
  return ramp
}
