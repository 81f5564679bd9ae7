// The documented routes, as functions. What the service refuses is an ApiError with its own code and sentence.

const KEY = "elman-key"
const PATIENCE = 10_000
const BASE = new URL("../", import.meta.url)

/** The API key, kept by this tab until it is closed. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
}

/** code: of docs/errors.md, or "unreachable" where nothing answered; details: the further fields of the answer. */
export class ApiError extends Error {
  constructor(code, message, status = 0, details = {}) {
    super(message)
    Object.assign(this, { code, status, details })
  }
}

/** The service's answer, whatever its status; not waited for longer than `signal` says, or else for ten seconds. */
export async function ask(method, path, { body, headers = {}, signal = AbortSignal.timeout(PATIENCE) } = {}) {
  const sent = { ...headers }
  if (key.get()) sent.authorization = `Bearer ${key.get()}`
  if (body !== undefined) sent["content-type"] = "application/json"
  try {
    return await fetch(new URL(path, BASE), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
    })
  } catch (error) {
    if (error.name === "AbortError") throw error
    const many = "; if many pages of it are open in this browser, close some: it keeps six connections at most"
    const why = error.name === "TimeoutError" ? `has not answered for ${PATIENCE / 1000} s${many}` : "does not answer"
    throw new ApiError("unreachable", `the service ${why}; this page tries again by itself`)
  }
}

/** The error that an answer is. */
export async function refusal(answer) {
  try {
    const { error, message, ...details } = await answer.json()
    return new ApiError(error, message, answer.status, details)
  } catch {
    return new ApiError("unreachable", `an answer came that is not the service's (${answer.status})`, answer.status)
  }
}

async function json(method, path, options) {
  const answer = await ask(method, path, options)
  if (!answer.ok) throw await refusal(answer)
  return answer.status === 204 ? null : answer.json()
}

const at = (id) => `sessions/${encodeURIComponent(id)}`

/** values: numbers, lists of one per feature, or null; step: how many the session has seen before, so that the same
 * request may be sent again without being applied twice. */
export const predict = (id, values, step) => json("POST", "predict", { body: { session_id: id, values, step } })
/** A look ahead that changes nothing. */
export const forecast = (id, horizon, level) =>
  json("POST", "forecast", { body: { session_id: id, horizon, ...(level && { level }) } })
/** A page of live sessions, in order of ids: those that begin with `prefix`. */
export const sessions = ({ prefix = "", cursor = "", limit = 50 } = {}) =>
  json("GET", `sessions?${new URLSearchParams({ limit, ...(prefix && { prefix }), ...(cursor && { cursor }) })}`)
/** A session, its hidden state, and its context as a token. */
export const session = (id) => json("GET", at(id))
/** A token's context under an id: a new session; or, where `ifStep` is the step of a live one, that one taken back. */
export const restore = (id, token, ifStep) =>
  json("PUT", at(id), { body: { context: token }, headers: ifStep === undefined ? {} : { "if-match": String(ifStep) } })
export const remove = (id) => json("DELETE", at(id))
/** What is served. */
export const model = () => json("GET", "model")
/** The text of /metrics. */
export const metrics = async () => {
  const answer = await ask("GET", "metrics")
  if (!answer.ok) throw await refusal(answer)
  return answer.text()
}
/** Resolves if requests can be served. */
export const ready = async () => {
  const answer = await ask("GET", "readyz")
  if (!answer.ok) throw await refusal(answer)
}
/** A real series that comes with the service, as CSV. */
export const series = async (name) => {
  const answer = await ask("GET", `ui/series/${name}`)
  if (!answer.ok) throw await refusal(answer)
  return answer.text()
}
