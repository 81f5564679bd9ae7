"""How fluid the live page stays: frames that Chromium draws while sessions on it are fed over HTTP."""

import secrets
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from playwright.sync_api import expect

from tests.benchmarks.contestants import OURS
from tests.benchmarks.tables import Table
from tests.ui.browser import Visitor, launched, program
from tests.ui.feeding import fed

SESSIONS = (1, 10, 50)
RATE = 4.0  # values a second for each
SIZE = {"width": 2304, "height": 1296}  # fifty are in sight
SETTLE_MS = 5_000
SECONDS = 10
FRAMES = """seconds => new Promise((done) => {
  const times = []
  const frame = (now) => {
    times.push(now)
    if (now - times[0] < seconds * 1000) requestAnimationFrame(frame)
    else done(times)
  }
  requestAnimationFrame(frame)
})"""


def report(checkpoint: Path) -> Iterator[Table]:
    """A row for each number of sessions."""
    table = Table(("sessions on the page", "values/s", "frames/s", "worst second", "longest frame, ms"))
    if program() is None:
        table.notes.append("There is no Chromium here; `make test-ui` installs one.")
        yield table
        return
    with OURS.serving(checkpoint) as server, launched() as browser:
        for number in SESSIONS:
            times = _frames(Visitor(browser), server.url, number)
            each = [sum(second <= (t - times[0]) / 1000 < second + 1 for t in times) for second in range(SECONDS)]
            longest = max(b - a for a, b in pairwise(times))
            table.add(str(number), f"{RATE * number:g}", f"{median(each):g}", str(min(each)), f"{longest:.0f}")
        version = browser.version
    table.notes.append(
        f"`requestAnimationFrame` over {SECONDS} s; more than 60 there cannot be. Median over the seconds. Chromium "
        f"{version}, headless, {SIZE['width']} by {SIZE['height']}, every session in sight, drawing in software on the "
        "cores that the service and the feeder use."
    )
    yield table


def _frames(visitor: Visitor, url: str, number: int) -> list[float]:
    """When frames were drawn, in milliseconds."""
    sessions = [f"stream-{secrets.token_hex(2)}-{index}" for index in range(number)]
    try:
        page = visitor.open(f"{url}/ui#watch?{urlencode([('session', s) for s in sessions])}", **SIZE)
        expect(page.locator("article canvas")).to_have_count(number)
        with fed(url, sessions, RATE):
            page.wait_for_timeout(SETTLE_MS)
            times: list[float] = page.evaluate(FRAMES, SECONDS)
        return times
    finally:
        visitor.leave()
