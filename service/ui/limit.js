// So that a page of many streams does not ask for everything at once.

/** A function that does work, no more than `most` at the same time; the rest waits in order. */
export function limit(most) {
  const waiting = []
  let running = 0
  const next = () => {
    if (running >= most || !waiting.length) return
    running++
    waiting
      .shift()()
      .finally(() => {
        running--
        next()
      })
  }
  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push(() => Promise.resolve().then(work).then(resolve, reject))
      next()
    })
}
