"""Tables, and documents that they are written into."""

import pytest

from tests.benchmarks.tables import Table, replaced


def test_a_table_is_aligned_markdown() -> None:
    table = Table(("who", "requests/s"), notes=["A note."])
    table.add("this service", "1,000")
    table.add("other", "90")
    assert str(table).splitlines() == [
        "| who          | requests/s |",
        "| ------------ | ---------: |",
        "| this service |      1,000 |",
        "| other        |         90 |",
        "",
        "A note.",
    ]


def test_only_the_section_of_that_name_is_replaced() -> None:
    document = "# Title\n<!-- a -->\nold\n<!-- end -->\nbetween\n<!-- b -->\n<!-- end -->\n"
    once = replaced(document, "a", "new \\1")
    assert once == "# Title\n<!-- a -->\nnew \\1\n<!-- end -->\nbetween\n<!-- b -->\n<!-- end -->\n"
    assert replaced(once, "b", "more").endswith("between\n<!-- b -->\nmore\n<!-- end -->\n")


def test_a_document_without_the_section_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks <!-- c -->"):
        replaced("# Title", "c", "text")
