from pathlib import Path

import numpy as np
import pytest

from tests.accuracy.__main__ import main
from tests.accuracy.engine import Heard
from tests.accuracy.events import CUT, DAY, EVENTS, Event, Outcome, besides, find, lines, record
from tests.accuracy.picture import draw_alarms

STORM = Event("storm", np.datetime64("2015-01-26"), 2)
Span = tuple[np.datetime64, np.datetime64]


def span(first: str, last: str) -> Span:
    return np.datetime64(f"2015-01-{first}"), np.datetime64(f"2015-01-{last}")


@pytest.mark.parametrize(
    ("spans", "delay"),
    [
        ([span("26T09:30", "26T12:00")], 9.5),
        ([span("27T23:30", "28T12:00")], 47.5),
        ([span("28T00:00", "28T12:00")], None),
        ([span("25T22:00", "26T00:00")], -2.0),
        ([span("25T22:00", "25T23:30")], None),
        ([span("25T22:00", "26T01:00"), span("26T08:00", "26T09:00")], 8.0),
        ([], None),
    ],
)
def test_an_event_is_found_by_an_alarm_that_begins_in_its_days_or_runs_into_them(
    spans: list[Span], delay: float | None
) -> None:
    found = find(STORM, spans)
    assert found.delay == delay
    assert besides([STORM], spans) == (1 if spans and delay is None else 0)


def outcome() -> Outcome:
    times = CUT + np.arange(97 * 48) * np.timedelta64(30, "m")
    values = 15_000 + 5000 * np.sin(2 * np.pi / 48 * np.arange(len(times)))
    band = values[:, None]
    heard = Heard(0, band, band - 500, band + 500, band, (), band[None], band[None])
    spans = (span("26T09:30", "26T12:00"), span("30T09:30", "30T12:00"))
    return Outcome(times, values, heard, tuple(find(event, spans) for event in EVENTS), spans, besides(EVENTS, spans))


def test_a_person_and_a_program_are_told_the_same() -> None:
    told, recorded = lines(outcome()), record(outcome())
    assert told[0] == "NYC marathon, 2014-11-02: missed"
    assert told[4] == "snow storm, 2015-01-26: alarm at 2015-01-26 09:30, 9.5 h after its midnight"
    assert told[5] == "alarms besides: 1 in 97 days, of 2 altogether"
    assert recorded["events"][4]["delay_hours"] == 9.5
    assert recorded["events"][0]["alarm"] is None


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    draw_alarms(tmp_path / "new" / "alarms.png", outcome())
    assert (tmp_path / "new" / "alarms.png").read_bytes()[:4] == b"\x89PNG"


def test_all_events_are_after_the_cut() -> None:
    assert all(event.midnight - 2 * DAY > CUT for event in EVENTS)


def test_what_cannot_be_measured_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("accuracy: ")
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--picture", str(tmp_path / "a.png")])
    assert "nyc_taxi.csv" in capsys.readouterr().err
