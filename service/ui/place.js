// The address: `#watch?session=a&session=b` is a view, and what is watched in every view.

const WRITTEN = "written" // the state of a step of the history whose address this page has put in order

const links = () => [...document.querySelectorAll("header nav a")]
const viewOf = (link) => link.hash.slice(1).split("?")[0]

/** The view, and the sessions that the address names; fresh: it is one that was typed or followed, not gone back to. */
export function place() {
  const [view, query] = location.hash.slice(1).split("?")
  return {
    view: links().map(viewOf).includes(view) ? view : "watch",
    sessions: new URLSearchParams(query).getAll("session").filter(Boolean),
    fresh: history.state !== WRITTEN,
  }
}

/** Let the address and the links to the views name what is watched: no step of the history, a view is one. */
export function keep(sessions) {
  const query = new URLSearchParams(sessions.map((name) => ["session", name]))
  const at = (view) => `#${view}${sessions.length ? `?${query}` : ""}`
  for (const link of links()) link.setAttribute("href", at(viewOf(link)))
  history.replaceState(WRITTEN, "", at(place().view))
}

/** Which of the links leads to the view that is shown. */
export function mark(view) {
  for (const link of links()) {
    if (viewOf(link) === view) link.setAttribute("aria-current", "page")
    else link.removeAttribute("aria-current")
  }
}
