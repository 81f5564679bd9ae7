from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.training.report.judgements import judgement, walk, walks
from training.report.pictures import draw_fit, draw_sine, thin, thin_band


def test_a_picture_is_a_png_and_the_same_twice(tmp_path: Path) -> None:
    judged = judgement(walk(400))
    judged.truth[50:60] = np.nan
    for name in ("a.png", "b.png"):
        draw_fit(tmp_path / name, "walk $1.csv", [judged])
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_only_the_first_targets_have_a_place(tmp_path: Path) -> None:
    draw_fit(tmp_path / "few.png", "walks", walks(6, rows=60))
    draw_fit(tmp_path / "many.png", "walks", walks(20, rows=60))
    assert (tmp_path / "few.png").read_bytes() == (tmp_path / "many.png").read_bytes()


def test_the_sine_is_drawn(tmp_path: Path) -> None:
    times = np.linspace(2, 10, 21)
    draw_sine(tmp_path / "sine.png", 6, times, np.sin(times), np.sin(times[1:]).tolist())
    assert (tmp_path / "sine.png").stat().st_size > 5000


def test_intervals_are_drawn_where_there_are_any(tmp_path: Path) -> None:
    judged = judgement(walk(400))
    draw_fit(tmp_path / "with.png", "walk", [judged])
    draw_fit(tmp_path / "without.png", "walk", [replace(judged, interval=None)])
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_a_long_band_keeps_the_widest_of_every_column() -> None:
    lower, upper = walk(20_000) - 1, walk(20_000) + 1
    lower[777], upper[15_000] = -1e6, 1e6
    rows, below, above = thin_band(lower, upper, start=10, pixels=400)
    assert len(rows) == len(below) == len(above) == 400
    assert rows[0] == 10
    assert (below.min(), above.max()) == (-1e6, 1e6)
    assert (below < above).all()
    short = thin_band(lower[:7], upper[:7], pixels=400)
    np.testing.assert_array_equal(np.array(short), [np.arange(7), lower[:7], upper[:7]])


def test_a_long_line_keeps_the_extremes_of_every_column() -> None:
    values = walk(20_000)
    values[777], values[15_000] = 1e6, -1e6
    rows, thinned = thin(values, start=10, pixels=400)
    assert len(rows) == 800
    assert {777 + 10, 15_000 + 10} <= set(rows.tolist())
    np.testing.assert_array_equal(thinned, values[rows - 10])
    assert (np.diff(rows) >= 0).all()
