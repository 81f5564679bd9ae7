"""A model unlike the default: two numbers an observation, two layers, no intervals, nothing known of its training."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from models import save
from tests.conftest import random_checkpoint
from tests.server import Server, serving
from tests.ui import sent
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.test_feed import DROP
from tests.ui.test_looks import view
from tests.ui.test_watch import link


@pytest.fixture(scope="module")
def other(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It is served."""
    path: Path = tmp_path_factory.mktemp("models") / "other.safetensors"
    save(random_checkpoint(features=2, num_layers=2, nonlinearity="relu"), path)
    with serving(path) as server:
        yield server


def test_every_view_makes_do_with_what_is_known(other: Server, visitor: Visitor, session_id: str) -> None:
    page = visitor.open(link(other, session_id))
    card = Card(page, session_id)
    card.unfold()
    card.speed(20)
    card.press("Play")
    card.reach(20)
    assert all(row.predicted is not None and row.p_value is None for row in card.rows().values())
    card.choose("Target", "f1")
    card.reach(40)
    view(page, "Network")
    strip = page.get_by_role("application", name="Hidden state")
    expect(strip).to_have_accessible_name(re.compile("^Hidden state of 6 units in each of 2 layers over"))
    view(page, "Model")
    expect(page.get_by_role("region", name="Model", exact=True)).to_contain_text("f0, f1")
    view(page, "Service")
    expect(page.get_by_role("table", name="Sessions")).to_contain_text(session_id)


def test_a_file_has_a_column_for_each_number(other: Server, visitor: Visitor, session_id: str) -> None:
    card = Card(visitor.open(link(other, session_id)), session_id)
    card.root.evaluate(DROP, ["own.tsv", "f1\tother\tf0\n20\t7\t10\n21\t8\t11\n\t9\t12\n"])
    card.press("Play")
    card.stands_at(3)
    assert sent.values(visitor.requests, session_id) == [[10, 20], [11, 21], [12, None]]
