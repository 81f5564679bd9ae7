"""`make bench-peers`: the service beside model servers that others made, and beside what one writes by hand."""

from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.benchmarks.contestants import Contestant
from tests.benchmarks.examination import Examination, Wrong
from tests.benchmarks.peers.installation import PEERS, NotInstalled, installed
from tests.benchmarks.pictures import draw
from tests.benchmarks.services import OTHERS, US, US_BY_PROTOCOL, Effort, beside, entry, race
from tests.benchmarks.tables import Table
from tests.server import NotReady


def report(checkpoint: Path, effort: Effort, folder: Path, picture: Path | None = None) -> Iterator[Table]:
    """One table. A peer that cannot be installed or started here, or is wrong, is named below with the reason."""
    peers, notes = [], []
    examination = Examination(checkpoint)
    for name, peer in PEERS.items():
        try:
            peers.append(_proven(installed(name, folder), checkpoint, examination))
        except (NotInstalled, NotReady, Wrong, httpx.HTTPError) as error:
            notes.append(f"{peer.name} is missing: {' '.join(str(error).split())[-300:]}")
    entries = [US, US_BY_PROTOCOL, *OTHERS, *map(entry, peers)]
    loads = race(entries, checkpoint, effort)
    entries.sort(key=lambda each: -loads[each].rate)
    table = beside(US, entries, loads)
    table.notes += notes
    if picture:
        draw({each.name: loads[each].rate / loads[US].rate for each in entries}, US.name, picture)
    yield table


def _proven(peer: Contestant, checkpoint: Path, examination: Examination) -> Contestant:
    """It starts, and answers rightly."""
    with peer.serving(checkpoint) as server:
        examination(server, peer.door)
    return peer
