"""Tables that read the same in a terminal and as Markdown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows of text under named columns; the first column is text, all others are figures. Notes follow below."""

    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        assert len(cells) == len(self.columns), cells
        self.rows.append(cells)

    def __str__(self) -> str:
        return "\n".join([*self._lines(), *(f"\n{note}" for note in self.notes)])

    def _lines(self) -> Iterator[str]:
        if not self.rows:
            return
        first, *others = (max(map(len, cells)) for cells in zip(self.columns, *self.rows, strict=True))
        rule = ["-" * first, *("-" * (width - 1) + ":" for width in others)]
        for cells in (self.columns, rule, *self.rows):
            padded = [cells[0].ljust(first), *(c.rjust(w) for c, w in zip(cells[1:], others, strict=True))]
            yield f"| {' | '.join(padded)} |"


def replaced(document: str, section: str, text: str) -> str:
    """The document with this text between its marks `<!-- SECTION -->` and `<!-- end -->`.

    Raises:
        ValueError: the document has no such marks.
    """
    marked = re.compile(rf"(<!-- {section} -->\n).*?(<!-- end -->)", re.DOTALL)
    document, found = marked.subn(lambda marks: f"{marks[1]}{text}\n{marks[2]}", document)
    if not found:
        raise ValueError(f"the document has no marks <!-- {section} --> and <!-- end -->")
    return document
