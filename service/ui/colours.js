// The colours of style.css, as a canvas needs them: worked out for light or dark.

const known = new Map()
let probe = null

addEventListener("theme", () => known.clear())

/** What `--name` is now; it may be another after the event "theme". */
export function colour(name) {
  if (!known.has(name)) known.set(name, read(name))
  return known.get(name)
}

function read(name) {
  if (!probe) {
    probe = document.createElement("span")
    probe.hidden = true
    document.body.append(probe)
  }
  probe.style.color = `var(--${name})`
  return getComputedStyle(probe).color
}
