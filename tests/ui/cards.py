"""A stream on the page, as somebody sees and uses it."""

import re
from dataclasses import dataclass
from typing import Self

from playwright.sync_api import Page, expect

STEP = re.compile(r"^step \d+$")
ROWS = """async (card) => {
  await new Promise(requestAnimationFrame)
  return [...card.querySelectorAll("tbody tr:not([hidden])")].map((row) => ({
    text: row.textContent,
    cells: [...row.cells].map((cell) => (cell.dataset.value ? Number(cell.dataset.value) : null)),
  }))
}"""


@dataclass(frozen=True)
class Row:
    """One line of the table "Numbers"; None where nothing is told."""

    step: int
    observed: float | None
    predicted: float | None
    lower: float | None
    upper: float | None
    p_value: float | None
    text: str


class Card:
    """One stream."""

    def __init__(self, page: Page, session_id: str) -> None:
        self.session_id = session_id
        self.root = page.get_by_role("article", name=session_id, exact=True)

    @classmethod
    def only(cls, page: Page) -> Self:
        """The only one there is."""
        article = page.get_by_role("article")
        expect(article).to_have_count(1)
        name = article.get_attribute("aria-label")
        assert name
        return cls(page, name)

    def press(self, name: str) -> None:
        """A button."""
        self.root.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, option: str) -> None:
        """Of a list."""
        self.root.get_by_role("combobox", name=label, exact=True).select_option(label=option)

    def speed(self, values: int) -> None:
        """So many a second."""
        self.choose("Speed", f"{values} a second")

    @property
    def step(self) -> int:
        """What the badge says."""
        return int(self.root.get_by_text(STEP).first.inner_text().removeprefix("step "))

    def stands_at(self, step: int) -> None:
        """It is at this step, soon."""
        expect(self.root.get_by_text(STEP).first).to_have_text(f"step {step}")

    def reach(self, step: int) -> None:
        """Wait until it is at this step, or beyond it."""
        self.root.page.wait_for_function(
            """([name, step]) => {
              const badge = document.querySelector(`article[aria-label="${name}"] .badge`)
              return Number(badge?.textContent.replace("step ", "")) >= step
            }""",
            arg=[self.session_id, step],
        )

    def unfold(self) -> None:
        """Open "Numbers"."""
        self.root.locator("summary", has_text=re.compile("^Numbers$")).click()

    def rows(self) -> dict[int, Row]:
        """The table "Numbers", by step; the last one is still to come."""
        found = {}
        for row in self.root.evaluate(ROWS):
            step, observed, predicted, lower, upper, p_value = row["cells"]
            found[int(step)] = Row(int(step), observed, predicted, lower, upper, p_value, row["text"])
        return found
