// What is to be drawn is drawn once before a next frame, however often it was asked for.

const SHARE = 5 // ms of a frame that drawing may take; what is left over is drawn in the frames behind it

const wanted = new Set()
let asked = false

/** Call `draw` before the next frame, or soon after if there is much to draw; once, if asked again until then. */
export function soon(draw) {
  wanted.add(draw)
  if (!asked) requestAnimationFrame(all)
  asked = true
}

function all() {
  const end = performance.now() + SHARE
  for (const draw of [...wanted]) {
    wanted.delete(draw) // before it draws: it may ask again
    draw()
    if (performance.now() > end) break
  }
  asked = wanted.size > 0
  if (asked) requestAnimationFrame(all)
}
