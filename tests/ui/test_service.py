"""Operating: the table of sessions, and the numbers that matter."""

import re

import httpx2
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from prometheus_client.parser import text_string_to_metric_families

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import cycle, predict


def numbers(api: httpx2.Client) -> dict[str, float]:
    """Of /metrics, those without labels."""
    families = text_string_to_metric_families(api.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def said(page: Page, name: str, text: str) -> None:
    """A card of "Numbers" says it."""
    term = page.get_by_role("term").filter(has_text=re.compile(f"^{name}$"))
    expect(page.locator("dl > div", has=term)).to_contain_text(text)


def test_sessions_are_found_watched_and_deleted(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    for name, steps in (("a", 3), ("b", 22)):
        predict(api, f"{session_id}-{name}", [cycle(step) for step in range(steps)])
    predict(api, f"{session_id}-b", [900.0])
    page = visitor.open(f"{server.url}/ui#service")
    page.get_by_label("Search by the beginning of an id").fill(session_id)
    rows = page.get_by_role("table", name="Sessions").locator("tbody tr")
    expect(rows).to_have_count(2)
    first, second = rows.filter(has_text=f"{session_id}-a"), rows.filter(has_text=f"{session_id}-b")
    expect(first).to_contain_text("none")
    expect(second).to_contain_text("since step 23")
    predict(api, f"{session_id}-a", [50.0])
    expect(first.get_by_role("cell", name="4", exact=True)).to_be_visible()
    first.get_by_role("button", name=re.compile("Delete")).click()
    expect(rows).to_have_count(1)
    assert api.get(f"/sessions/{session_id}-a").status_code == 410
    second.get_by_role("link", name=f"{session_id}-b").click()
    Card(page, f"{session_id}-b").stands_at(23)


def test_the_table_of_sessions_fits_a_small_screen(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    """And it is a table for who hears it."""
    names = [session_id, f"{session_id}-{'long' * 25}"]
    for name in names:
        predict(api, name, [cycle(step) for step in range(22)])
    predict(api, names[1], [900.0])
    page = visitor.open(f"{server.url}/ui#service", width=360, height=720)
    page.get_by_label("Search by the beginning of an id").fill(session_id)
    table = page.get_by_role("table", name="Sessions")
    expect(table.get_by_role("rowheader")).to_have_text(names)
    for width in (320, 360, 600, 720, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        room = page.evaluate("document.documentElement.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= room
        assert table.locator("..").evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0, f"at {width} pixels"
    page.set_viewport_size({"width": 360, "height": 720})
    expect(table.get_by_role("columnheader")).to_have_text(["Session", "Step", "Last seen", "Expires", "Alarm"])
    row = table.get_by_role("row", name=names[1])
    expect(row.get_by_role("cell", name="since step 23", exact=True)).to_be_visible()
    expect(row.get_by_role("button", name=f"Delete {names[1]}")).to_be_in_viewport()
    results = Axe().run(page)
    assert not results.violations_count, results.generate_report()


def test_its_numbers_are_those_of_metrics(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    predict(api, session_id, [cycle(step) for step in range(22)])
    page = visitor.open(f"{server.url}/ui#service")
    found = numbers(api)
    said(page, "Live sessions", f"{found['elman_sessions_active']:,.0f}")
    said(page, "Sessions so far", f"{found['elman_sessions_created_total']:,.0f} created")
    said(page, "Observations", f"{found['elman_steps_total']:,.0f} so far")
    said(page, "Coverage", f"{found['elman_covered_total'] / found['elman_scaled_error_count']:.1%}".replace("%", " %"))
    said(
        page,
        "Streams in alarm",
        f"{found['elman_sessions_in_alarm']:,.0f} now, {found['elman_alarms_total']:,.0f} raised",
    )
