"""Numbers at an axis: short, and different where the values are."""

import httpx2
import pytest
from playwright.sync_api import expect

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import predict
from tests.ui.test_watch import link

MINUS = "\N{MINUS SIGN}"
LABELS: list[tuple[list[float], float, list[str]]] = [
    ([0, 50, 100, 150], 50, ["0", "50", "100", "150"]),
    ([-0.25, 0, 0.25], 0.25, [f"{MINUS}0.25", "0", "0.25"]),
    ([0.1 + 0.2, 0.4], 0.1, ["0.3", "0.4"]),
    ([95_000, 100_000], 5000, ["95000", "100000"]),
    ([5e5, 1e6, 1.5e6], 5e5, ["5e5", "1e6", "1.5e6"]),
    ([-1e30, -7.5e29, 0, 1e30], 2.5e29, [f"{MINUS}1e30", f"{MINUS}7.5e29", "0", "1e30"]),
    ([0, 1e-9, 2e-9], 1e-9, ["0", f"1e{MINUS}9", f"2e{MINUS}9"]),
    ([100.001, 100.002], 0.001, ["100.001", "100.002"]),
    ([1234567, 1234568], 1, ["1234567", "1234568"]),
]

WRITTEN = """() => {
  window.written = []
  const write = CanvasRenderingContext2D.prototype.fillText
  CanvasRenderingContext2D.prototype.fillText = function (text, x, ...more) {
    const { width } = this.measureText(text)
    const { e } = this.getTransform()
    written.push({ text, left: e + (this.textAlign === "right" ? x - width : x) })
    return write.call(this, text, x, ...more)
  }
}"""


def test_labels_are_short_and_tell_values_apart(server: Server, visitor: Visitor) -> None:
    page = visitor.open(f"{server.url}/ui")
    for values, apart, labels in LABELS:
        found = page.evaluate("async (all) => (await import('/ui/format.js')).labels(...all)", [values, apart])
        assert found == labels


@pytest.mark.parametrize(("size", "told"), [(1e30, "e30"), (-1e30, "e30"), (1e-9, f"e{MINUS}"), (123456789.0, "e")])
def test_none_is_cut_off(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str, size: float, told: str
) -> None:
    page = visitor.open(link(server, session_id))
    page.evaluate(WRITTEN)
    card = Card(page, session_id)
    expect(card.root).to_be_visible()
    predict(api, session_id, [0.0, size])
    card.stands_at(2)
    page.wait_for_timeout(300)
    written = page.evaluate("written")
    if size > 1 or size < -1:
        assert any(told in label["text"] for label in written), written
    assert [label for label in written if label["left"] < 0] == []
