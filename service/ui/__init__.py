"""The live page: files that the service hands out, and what a browser may do with them."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
SERIES = Path(__file__).parents[2] / "training" / "series"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".csv": "text/csv",
}
POLICY = b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " + (
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing is fetched from elsewhere, and nothing that is written into a page is run (Content Security Policy 3)."""


@dataclass(frozen=True, slots=True)
class File:
    """What is handed out. tag: changes with the content."""

    content: bytes
    media_type: bytes
    tag: bytes


@cache
def files() -> dict[str, File]:
    """All files of the page by their names, as they were when somebody first asked; series of data below `series/`."""
    found = {path.relative_to(FOLDER).as_posix(): _file(path) for path in FOLDER.rglob("*") if path.suffix in TYPES}
    return found | {f"series/{path.name}": _file(path) for path in SERIES.glob("*.csv")}


def _file(path: Path) -> File:
    content = path.read_bytes()
    tag = hashlib.blake2b(content, digest_size=9).hexdigest()
    return File(content, f"{TYPES[path.suffix]}; charset=utf-8".encode(), f'"{tag}"'.encode())
