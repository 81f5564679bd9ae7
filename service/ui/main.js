// The page: which view is shown, whether the service is there, the key, light and dark.

import * as api from "./api.js"
import { Streams } from "./streams.js"
import { mountModel } from "./model.js"
import { mountNetwork } from "./network.js"
import { mark, place } from "./place.js"
import { mountService } from "./service.js"
import { mountWatch } from "./watch.js"

const LOOK_EVERY = 3000
const PATIENT_LOOKS = 3 // at a service that is ready, until the page says that it is not told anything
const VIEWS = { watch: mountWatch, network: mountNetwork, model: mountModel, service: mountService }

const element = (id) => document.getElementById(id)

/** Say something that must be seen; nothing: it is no longer so. */
export function notify(message = "") {
  element("notice").textContent = message
  element("notice").hidden = !message
}

/** Say what went wrong, and ask for a key where that is what is missing. */
export function complain(error) {
  if (error.code !== "unauthorized") return notify(error.message)
  if (api.key.get()) notify("The service does not know this key.")
  askForKey()
}

function askForKey() {
  element("key").hidden = false
  element("key-text").focus()
}

function showHealth(ok, text) {
  element("health").dataset.ok = ok
  element("health").querySelector(".text").textContent = text
}

let streams = null
let deafFor = 0

/** Why the service, which is ready, does not tell this page what happens; null: it does, or will soon. */
function deafness() {
  const error = streams?.all.length && !streams.connected ? streams.error : null
  deafFor = error ? deafFor + 1 : 0
  return error && (error.code !== "unreachable" || deafFor >= PATIENT_LOOKS) ? error : null
}

/** Look every few seconds, and at once when the page is looked at again. */
async function look() {
  try {
    await api.ready()
    const error = deafness()
    if (error) {
      showHealth(false, "ready, but silent")
      if (error.code === "unauthorized") return complain(error)
      return notify(`This page is not told what happens to the sessions: ${error.message}.`)
    }
    if (element("health").dataset.ok === "false") notify()
    showHealth(true, "ready")
  } catch (error) {
    showHealth(false, error.code === "unreachable" ? "not reachable" : "not ready")
    notify(
      error.code === "unreachable"
        ? "The service does not answer. This page goes on as soon as it does."
        : error.message,
    )
  }
}

function light() {
  const now = document.documentElement.dataset.theme
  const dark = now ? now === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
  document.documentElement.dataset.theme = dark ? "light" : "dark"
  localStorage.setItem("elman-theme", document.documentElement.dataset.theme)
  dispatchEvent(new Event("theme"))
}

async function served() {
  for (;;) {
    try {
      return await api.model()
    } catch (error) {
      complain(error)
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_EVERY)
        element("key").addEventListener("submit", resolve, { once: true })
      })
    }
  }
}

function show(views) {
  const { view } = place()
  mark(view)
  for (const name of Object.keys(VIEWS)) {
    element(name).hidden = name !== view
    views[name]?.shown?.(name === view)
  }
}

async function start() {
  const theme = localStorage.getItem("elman-theme")
  if (theme) document.documentElement.dataset.theme = theme
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("theme")))
  element("theme").addEventListener("click", light)
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault() // the address names a view
    element("main").focus()
  })
  element("key").addEventListener("submit", (event) => {
    event.preventDefault()
    api.key.set(element("key-text").value)
    element("key-text").value = ""
    element("key").hidden = true
    notify()
  })
  setInterval(look, LOOK_EVERY)
  document.addEventListener("visibilitychange", look)
  look()
  const model = await served()
  notify()
  streams = new Streams(model.targets)
  streams.addEventListener("connection", look)
  element("key").addEventListener("submit", () => streams.reconnect())
  const app = { model, streams }
  const views = {}
  for (const [name, mount] of Object.entries(VIEWS)) views[name] = mount(element(name), app)
  addEventListener("hashchange", () => show(views))
  show(views)
}

start()
