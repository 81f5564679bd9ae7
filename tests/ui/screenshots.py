"""`make screenshots`: the pictures of the live page in docs/pictures, always of the same scene."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import sin
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image
from playwright.sync_api import Page

from service.settings import DEFAULT_CHECKPOINT
from tests.server import ROOT, serving
from tests.ui.browser import Visitor, launched
from tests.ui.cards import Card
from tests.ui.feeding import predict
from tests.ui.test_looks import view
from tests.ui.test_watch import link

PICTURES = ROOT / "docs" / "pictures"
SERIES = ROOT / "training" / "series" / "sunspots.csv"
SIZE = {"width": 1440, "height": 860}  # three cards beside each other
COLOURS = 256
BYTES_AT_MOST = 250_000

SUNSPOTS, SINE, FORK = "sunspots", "sine", "sunspots-fork"
FORKED_AT = 252
SPIKE_AT = 264
SPIKE = 420.0
FREE_AT = 60
FREE_STEPS = 14


def main() -> None:
    """Draw all of them."""
    for scheme in ("light", "dark"):
        with serving(DEFAULT_CHECKPOINT) as server, launched() as browser:
            visitor = Visitor(browser)
            page = visitor.open(link(server, SUNSPOTS, SINE), **SIZE, color_scheme=scheme, device_scale_factor=2)
            with httpx2.Client(base_url=server.url, trust_env=False) as client:
                ends = play(page, client)
            wait_for_forecasts(page, visitor, ends)
            save(page.screenshot(), PICTURES / f"ui-{scheme}.png")
            if scheme == "light":
                view(page, "Network")
                settle(page)
                save(page.screenshot(full_page=True), PICTURES / "ui-network.png")
            visitor.leave()


def play(page: Page, client: httpx2.Client) -> dict[str, int]:
    """The scene: sunspots with a value that cannot be, a fork of them from before that, and a sine that runs free.

    Gives the step at which each session ends.
    """
    model = client.get("/model").json()
    center, spread = model["center"][0], model["spread"][0]
    spots = [float(line.split(",")[1]) for line in SERIES.read_text().splitlines()[1:]]
    sine = [round(center + spread * sin(2 + 0.4 * i), 3) for i in range(FREE_AT + FREE_STEPS)]
    sunspots, waves, fork = (Card(page, name) for name in (SUNSPOTS, SINE, FORK))

    def feed(session_id: str, values: Sequence[float]) -> None:
        for value in values:
            predict(client, session_id, [value])

    feed(SUNSPOTS, spots[:FORKED_AT])
    feed(SINE, sine[:FREE_AT])
    sunspots.stands_at(FORKED_AT)
    waves.stands_at(FREE_AT)
    sunspots.press("Fork")
    fork.stands_at(FORKED_AT)
    with page.expect_response(lambda response: response.url.endswith("/forecast")):
        waves.press("Run free")
    feed(SUNSPOTS, [*spots[FORKED_AT:SPIKE_AT], SPIKE, spots[SPIKE_AT + 1]])
    feed(FORK, spots[FORKED_AT : SPIKE_AT + 12])
    feed(SINE, sine[FREE_AT:])
    ends = {SUNSPOTS: SPIKE_AT + 2, FORK: SPIKE_AT + 12, SINE: FREE_AT + FREE_STEPS}
    for card in (sunspots, waves, fork):
        card.stands_at(ends[card.session_id])
    return ends


def wait_for_forecasts(page: Page, visitor: Visitor, ends: Mapping[str, int]) -> None:
    """Until the page knows how each of these sessions goes on from there: two bands."""
    known: list[tuple[str, int]] = []
    while not all(known.count(end) >= 2 for end in ends.items()):
        page.wait_for_timeout(100)
        asked = [request for request in visitor.requests if request.url.endswith("/forecast")]
        answers = [(request.post_data_json, request.response()) for request in asked]
        known = [(body["session_id"], answer.json()["step"]) for body, answer in answers if body and answer]
    settle(page)


def settle(page: Page) -> None:
    """Until what is known has been drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def save(screenshot: bytes, file: Path) -> None:
    """In few colours: those that most of it has as they are, and as many for the rest; each pixel gets the nearest."""
    picture = np.asarray(Image.open(BytesIO(screenshot)).convert("RGB"))
    colours, places, counts = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    rest = Image.fromarray(colours[None]).quantize(COLOURS // 2, Image.Quantize.FASTOCTREE).getpalette() or []
    most = colours[np.argsort(-counts)[: COLOURS // 2]]
    palette = np.concatenate([most, np.array(rest, np.uint8).reshape(-1, 3)])
    distances = ((colours[:, None].astype(int) - palette[None]) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)
    drawn = Image.fromarray(nearest[places].reshape(picture.shape[:2]))
    drawn.putpalette(palette.tobytes())
    drawn.save(file, optimize=True)
    size = file.stat().st_size
    assert size <= BYTES_AT_MOST, f"{file}: {size} bytes"
    print(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
