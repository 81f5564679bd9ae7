// Elements, made in one expression each.

const SVG = "http://www.w3.org/2000/svg"

/**
 * An element. attributes: null and false leave one out, true sets it empty; `on…` takes a listener, `style` an object
 * of properties. children: nodes, texts and lists of them; null and false leave one out.
 */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children)

/** The same for a drawing: `svg("circle", { r: 3 })`. */
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children)

let fields = 0

/** A control with its label beside it. */
export function field(label, control, kind = "") {
  control.id ||= `field-${++fields}`
  return h("span", { class: `field ${kind}` }, h("label", { for: control.id }, label), control)
}

/** Say it, and touch the page only if it says something else. */
export function say(element, text) {
  if (element.textContent !== String(text)) element.textContent = text
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value)
  element.append(...children.flat(Infinity).filter(isSaid))
  return element
}

const isSaid = (value) => value !== null && value !== undefined && value !== false

function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value)
  else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text)
  else if (isSaid(value)) element.setAttribute(name, value === true ? "" : value)
}
