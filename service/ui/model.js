// The view "Model": the card of what is served. What a checkpoint does not tell is left out.

import { parameters, sentences } from "./architecture.js"
import { h, say } from "./dom.js"
import { count, many, number, percent } from "./format.js"
import { scores } from "./scores.js"
import { splitBar } from "./split.js"

const NAMED = 12 // of many names, so many are listed
const KINDS = {
  network: "the Elman network",
  linear: "its linear part alone",
  persistence: "persistence (the last value again)",
}

export function mountModel(section, { model }) {
  const record = model.training ?? {}
  section.append(
    h("h2", {}, "Model"),
    h("div", { class: "cards" }, identity(model), network(model), data(record), training(record)),
    ...scores(model),
  )
}

const card = (title, ...children) => h("div", { class: "sheet" }, h("h3", {}, title), ...children)

/** Pairs of a heading and what is told; those without anything to tell are left out. */
function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  return told.length
    ? h(
        "dl",
        { class: "facts" },
        told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
      )
    : null
}

function identity({ model, fingerprint, features, targets, units, device, level }) {
  const exogenous = features.slice(targets.length)
  return card(
    model,
    h(
      "p",
      {},
      "Every answer names the model by these 12 digits, with which its fingerprint begins (SHA-256 of all weights):",
    ),
    h("p", { class: "row fingerprint" }, h("code", {}, fingerprint), copy(fingerprint)),
    facts([
      ["Predicts", names(targets, units)],
      ["Also hears", names(exogenous, units?.slice(targets.length))],
      ["Intervals", level ? `hold ${percent(level, 0)} of the values` : "none: it is not calibrated"],
      ["Computes on", device],
    ]),
  )
}

function copy(text) {
  const said = h("span", { role: "status", class: "quiet" })
  const button = h("button", { type: "button", "aria-label": "Copy the fingerprint", onclick: copied }, "Copy")
  async function copied() {
    try {
      await navigator.clipboard.writeText(text)
      say(said, "Copied.")
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling)
      say(said, "Selected: copy it with the keyboard.")
    }
  }
  return [button, said]
}

function network({ architecture, context_size, warmup }) {
  return card(
    "Network",
    h("p", {}, sentences(architecture).join(" ")),
    facts([
      ["Parameters", count(parameters(architecture))],
      [
        "Context",
        context_size ? `${count(context_size * 4)} bytes for each stream: ${many(context_size, "number")}` : null,
      ],
      ["Warm-up", warmup ? `${many(warmup, "value")}: after so many it has forgotten how it began` : null],
    ]),
  )
}

function data({ data = {}, split }) {
  const pairs = [
    ["Name", data.name],
    ["Rows", data.rows && count(data.rows)],
    ["Series", data.series && (data.series > 1 ? `${count(data.series)}: ${names(data.names ?? [])}` : "1")],
    ["Columns", names(data.columns ?? [])],
    ["SHA-256", data.sha256 && h("code", {}, data.sha256)],
    [
      "Findings",
      data.findings?.length
        ? h(
            "ul",
            {},
            data.findings.map((line) => h("li", {}, line)),
          )
        : null,
    ],
  ]
  const list = facts(pairs)
  const bar = splitBar(split)
  return list || bar ? card("Data", list, bar) : null
}

function training({ kept, seed, versions, options, epochs, best_epoch }) {
  const losses = Object.entries(kept?.losses ?? {})
  const list = facts([
    ["Kept", kept?.kept && (KINDS[kept.kept] ?? kept.kept)],
    ["Why", kept?.reason],
    ["Validation loss", losses.map(([name, loss]) => `${name} ${number(loss)}`).join(", ")],
    ["Epochs", epochs && `${count(epochs)}${best_epoch ? `, the best was number ${count(best_epoch)}` : ""}`],
    ["Seed", seed === undefined ? null : String(seed)],
    [
      "Versions",
      Object.entries(versions ?? {})
        .map((pair) => pair.join(" "))
        .join(", "),
    ],
    ["Options", options && choices(options)],
  ])
  return list ? card("Training", list) : null
}

const choices = (options) =>
  h(
    "details",
    {},
    h("summary", {}, `${Object.keys(options).length} options`),
    h(
      "dl",
      { class: "pairs" },
      Object.entries(options).map(([name, value]) => [h("dt", {}, name), h("dd", {}, plain(value))]),
    ),
  )

const plain = (value) => (value === null ? "by itself" : Array.isArray(value) ? value.join(", ") : String(value))

/** Names with their units, as far as there are any. */
function names(list, units = []) {
  const told = list.slice(0, NAMED).map((name, i) => (units?.[i] ? `${name} (${units[i]})` : name))
  return told.join(", ") + (list.length > NAMED ? ` and ${list.length - NAMED} more` : "")
}
