from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from models.calibration import PROBABILITIES, Calibration
from models.monitor import Monitor, Seen
from models.outlook import AGES, FIELDS, KNOTS, LIMIT, SMALLEST, state_size
from tests.models.examples import (
    HORIZONS,
    MEAN_ABSOLUTE,
    NORMAL,
    SKEWED,
    Samples,
    calibrated,
    calibration,
    errors,
    monitor,
    start,
)

LEVELS = (0.5, 0.8, 0.9, 0.99, 0.995, 0.999)
LOWER, UPPER = PROBABILITIES.index(0.05), PROBABILITIES.index(0.95)


def fields(state: Tensor, targets: int = 1) -> dict[str, Tensor]:
    """By name, (B, O) each, and quantiles (B, O, Q)."""
    parts = state[:, :-AGES].reshape(len(state), targets, -1)
    named = {name: parts[..., place] for place, name in enumerate(FIELDS)}
    return named | {"quantiles": parts[..., len(FIELDS) :]}


def watched(watching: Monitor, values: Samples, unit: float = 1.0, state: Tensor | None = None) -> tuple[Seen, Tensor]:
    """Values (T, B, O) of which 0 was predicted -> what they told, (T, B, O) each, and the last state (B, S)."""
    x = torch.from_numpy(values.astype(np.float32))
    state = start(watching, x.shape[1]) if state is None else state
    told = []
    with torch.inference_mode():
        for value in x:
            seen, state = watching.update(value, torch.zeros_like(value), torch.full_like(value, unit), state)
            told.append(seen)
    p, error, naive = (torch.stack(part) for part in zip(*((s.p, s.error, s.naive) for s in told), strict=True))
    return Seen(p, error, naive), state


def step(watching: Monitor, value: float, state: Tensor) -> tuple[Seen, Tensor]:
    """One value of one stream of one target, of which 0 was predicted in units of 1."""
    return watched(watching, np.full((1, 1, 1), value), state=state)


def lived(watching: Monitor, targets: int = 1, streams: int = 1, steps: int = 60) -> Tensor:
    """The state of streams that have shown something of their own: skewed errors around 0.3, twice as large."""
    generator = np.random.default_rng(7)
    return watched(watching, 2 * generator.exponential(size=(steps, streams, targets)) - 1.7)[1]


def intervals(watching: Monitor, path: Tensor, unit: Tensor, state: Tensor, level: float) -> Tensor:
    """Of forecasts, (2, B, K, O)."""
    return torch.from_numpy(watching.outlook.intervals(path.numpy(), unit.numpy(), state.numpy(), level))


def condition(watching: Monitor, unit: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """What a level is now, and the width of the interval, (B, O) each."""
    size, width = map(torch.from_numpy, watching.outlook.condition(unit.numpy(), state.numpy()))
    return size, width


def test_a_stream_begins_as_the_checkpoint_says() -> None:
    state = start(monitor(calibration(2, error=0.5)), 3)
    assert state.shape == (3, state_size(2)) == (3, 2 * (6 + KNOTS) + 2)
    begun = fields(state, 2)
    assert (begun["level"] == 0.5).all()
    assert all((begun[name] == 0).all() for name in ("count", "last", "mean", "high", "low"))
    np.testing.assert_allclose(begun["quantiles"], np.broadcast_to(NORMAL, (3, 2, KNOTS)), rtol=1e-6)
    assert not state[:, -AGES:].any()


@pytest.mark.parametrize("kind", ["normal", "t5"])
def test_p_values_of_an_undisturbed_stream_are_uniform(kind: str) -> None:
    told, _ = watched(monitor(calibrated(kind)), errors(kind, 150, 3000)[..., None])
    p = told.p[50:].numpy().ravel()
    counts, _ = np.histogram(p, 20, (0, 1))
    assert counts.sum() == len(p) == 300_000
    assert np.abs(counts / len(p) * 20 - 1).max() < 0.10


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("quantiles", "tail"),
    [
        pytest.param(NORMAL, (0.1, 0.001), id="normal"),
        pytest.param(SKEWED, (0.1, 0.3), id="skewed with heavy tails"),
        pytest.param(SKEWED, (0.07, -0.12), id="skewed with light tails"),
    ],
)
def test_a_value_is_inside_the_interval_exactly_if_it_is_not_too_surprising(
    level: float, quantiles: tuple[float, ...], tail: tuple[float, float]
) -> None:
    watching = monitor(calibration(quantiles=quantiles, tail=tail, settling=(3.0, 2.0, 1.5)))
    state = torch.cat((watched(watching, np.zeros((1, 1, 1)))[1], lived(watching)))  # of a new stream and another
    assert fields(state)["mean"][1].abs() > 0.01
    y, unit = torch.full((2, 1), 7.0), torch.full((2, 1), 3.0)
    bounds = watching.interval(y, unit, state, level)
    assert bounds.shape == (2, 2, 1)
    width = bounds[1] - bounds[0]
    assert (width > 0).all()
    for bound, inwards in zip(bounds, (1, -1), strict=True):
        for share in (1e-3, 1e-1):
            inside, _ = watching.update(bound + inwards * share * width, y, unit, state)
            outside, _ = watching.update(bound - inwards * share * width, y, unit, state)
            assert (inside.p >= 1 - level).all()
            assert (outside.p < 1 - level).all()


def test_a_wider_level_holds_a_narrower_one() -> None:
    watching = monitor(calibration(quantiles=SKEWED))
    state = lived(watching)
    bounds = [watching.interval(torch.zeros(1, 1), torch.ones(1, 1), state, level) for level in LEVELS]
    for (lower, upper), (below, above) in pairwise(bounds):
        assert below < lower < upper < above


def test_coverage_holds_while_a_stream_drifts() -> None:
    """Errors double and their mean moves by six of the first standard deviations."""
    steps, streams = 1000, 100
    scale = np.where(np.arange(steps) < 400, 1.0, 2.0)[:, None, None]
    drift = np.linspace(0, 6, steps)[:, None, None]
    x = torch.from_numpy((errors("normal", steps, streams)[..., None] * scale + drift).astype(np.float32))
    watching = monitor(calibrated("normal"))
    state, zero, one, covered = start(watching, streams), torch.zeros(streams, 1), torch.ones(streams, 1), []
    with torch.inference_mode():
        for value in x:
            lower, upper = watching.interval(zero, one, state, 0.9)
            covered.append(float(((lower <= value) & (value <= upper)).float().mean()))
            _, state = watching.update(value, zero, one, state)
    assert 0.88 < np.mean(covered) < 0.92
    assert np.convolve(covered, np.full(500, 1 / 500), "valid").min() > 0.85


def test_quantiles_learn_the_shape_of_a_stream() -> None:
    """Of errors that are only skewed upwards, the upper bound moves away, the lower one near."""
    generator = np.random.default_rng(0)
    watching = monitor(calibration())
    _, state = watched(watching, generator.exponential(size=(600, 200, 1)) - 1)
    lower, upper = watching.interval(torch.zeros(200, 1), torch.ones(200, 1), state, 0.9).mean(dim=(1, 2))
    assert float(lower) == pytest.approx(np.log(1 / 0.95) - 1, abs=0.15)
    assert float(upper) == pytest.approx(np.log(1 / 0.05) - 1, abs=0.25)


def test_quantiles_do_not_cross() -> None:
    """An error between two that are near and far out would move the lower one past the other."""
    quantiles = (*NORMAL[:-2], 9.9, 10.0)
    watching = monitor(calibration(quantiles=quantiles, error=1.0))
    state = start(watching, 1)
    state[0, FIELDS.index("count")] = 9.0
    after = fields(step(watching, 9.95, state)[1])["quantiles"][0, 0]
    assert (after.diff() >= 0).all()
    assert after[-1] > 10.15


def test_errors_are_told_in_the_unit_of_the_stream() -> None:
    watching = monitor(calibration())
    _, state = watched(watching, np.full((1, 1, 1), 10.0))
    x, y, unit = (torch.tensor([[number]]) for number in (16.0, 14.0, 4.0))
    seen, _ = watching.update(x, y, unit, state)
    assert (float(seen.error), float(seen.naive)) == (0.5, 1.5)


def test_streams_of_another_unit_are_as_surprising() -> None:
    values = errors("normal", 40, 3)[..., None]
    watching = monitor(calibration())
    one, state = watched(watching, values)
    other, far = watched(watching, 1024 * values, unit=1024.0)
    torch.testing.assert_close(other.p, one.p, equal_nan=True)
    torch.testing.assert_close(fields(far)["level"], fields(state)["level"])


def test_the_first_value_tells_nothing() -> None:
    watching = monitor(calibration())
    seen, state = step(watching, 1e3, start(watching, 1))
    assert all(bool(told.isnan()) for told in (seen.p, seen.error, seen.naive))
    assert fields(state)["count"] == 1
    assert fields(state)["last"] == 1e3
    begun = start(watching, 1)
    begun[0, :2] = torch.tensor([1.0, 1e3])
    torch.testing.assert_close(state, begun, rtol=0, atol=0)


def test_a_missing_value_changes_nothing_but_the_last_value_and_the_age_of_an_alarm() -> None:
    watching = monitor(calibration())
    state = step(watching, 1e3, lived(watching))[1]
    assert state[0, -AGES:].tolist() == [1, 0]
    for count in (float(fields(state)["count"]), 1.0):
        before = state.clone()
        before[0, FIELDS.index("count")] = count
        seen, after = watching.update(torch.full((1, 1), torch.nan), torch.full((1, 1), 4.0), torch.ones(1, 1), before)
        assert all(bool(told.isnan()) for told in (seen.p, seen.error, seen.naive))
        expected = before.clone()
        expected[0, FIELDS.index("last")] = 4.0
        expected[0, -AGES] += 1
        torch.testing.assert_close(after, expected, rtol=0, atol=0)


def test_without_a_unit_nothing_is_said_and_nothing_learned() -> None:
    watching = monitor(calibration())
    state, zero = lived(watching), torch.zeros(1, 1)
    seen, after = watching.update(torch.full((1, 1), 5.0), zero, zero, state)
    assert all(bool(told.isnan()) for told in (seen.p, seen.error, seen.naive))
    assert watching.interval(zero, zero, state, 0.9).isnan().all()
    assert intervals(watching, torch.zeros(1, 3, 1), zero, state, 0.9).isnan().all()
    assert all(size.isnan().all() for size in condition(watching, zero, state))
    known, still = fields(state), fields(after)
    assert all(torch.equal(still[name], known[name]) for name in known.keys() - {"count", "last"})
    assert still["last"] == 5.0


def test_a_batch_equals_one_stream_at_a_time() -> None:
    values = errors("t5", 50, 7)[..., None] * np.logspace(-2, 3, 7)[:, None]
    values[10:15, 2] = np.nan
    watching = monitor(calibration())
    told, state = watched(watching, values)
    for stream in range(7):
        alone, own = watched(watching, values[:, stream : stream + 1])
        torch.testing.assert_close(told.p[:, stream], alone.p[:, 0], rtol=0, atol=1e-6, equal_nan=True)
        torch.testing.assert_close(state[stream], own[0], rtol=1e-6, atol=1e-6)


def test_one_targets_errors_do_not_move_anothers() -> None:
    values = errors("normal", 60, 3).reshape(60, 1, 3)
    wild = values.copy()
    wild[:, :, 1] = 50 * values[:, :, 1] + 9
    wild[20:30, :, 1] = np.nan
    watching = monitor(calibration(3))
    (calm, state), (disturbed, moved) = watched(watching, values), watched(watching, wild)
    assert not torch.equal(disturbed.p[..., 1], calm.p[..., 1])
    torch.testing.assert_close(disturbed.p[..., ::2], calm.p[..., ::2], rtol=0, atol=0, equal_nan=True)
    before, after = fields(state, 3), fields(moved, 3)
    for name in before:
        assert torch.equal(after[name][:, ::2], before[name][:, ::2]), name


def test_every_target_has_its_own_calibration() -> None:
    both = replace(
        calibration(2),
        error=(1.0, 5.0),
        quantiles=(NORMAL, SKEWED),
        tail=((0.1, 0.001), (0.2, 0.3)),
        paths=((NORMAL, SKEWED),) * len(HORIZONS),
    )
    watching, state = monitor(both), start(monitor(both), 1)
    for level in (0.9, 0.999):
        together = watching.interval(torch.zeros(1, 2), torch.ones(1, 2), state, level)
        for target in range(2):
            one = slice(target, target + 1)
            single = monitor(
                replace(
                    both,
                    error=both.error[one],
                    quantiles=both.quantiles[one],
                    tail=both.tail[one],
                    paths=((both.quantiles[target],),) * len(HORIZONS),
                )
            )
            alone = single.interval(torch.zeros(1, 1), torch.ones(1, 1), start(single, 1), level)
            torch.testing.assert_close(together[..., one], alone)


def test_an_alarm_is_raised_for_any_target() -> None:
    watching = monitor(calibration(3))
    state = start(watching, 3)
    state[:, 0 :: len(FIELDS) + KNOTS][:, :3] = 5.0  # counts
    x = torch.tensor([[0.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, torch.nan]])
    _, state = watching.update(x, torch.zeros(3, 3), torch.ones(3, 3), state)
    assert state[:, -AGES:].tolist() == [[0, 0], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.tile([1e6, -1e6], 100), id="outliers"),
        pytest.param(np.r_[np.zeros(500), np.full(100, 1e6), np.zeros(200)], id="silence, then a jump"),
        pytest.param(
            np.r_[np.zeros(150), 3e38, np.full(100, 1e30), np.full(100, -1e30), 1e-30], id="the ends of float32"
        ),
        pytest.param(np.where(np.arange(200) % 50, 0.0, 1e6) * np.sign(np.sin(np.arange(200))), id="spikes"),
    ],
)
def test_nothing_a_stream_does_breaks_its_state(values: Samples) -> None:
    watching = monitor(calibration(error=2.0))
    x, state = torch.from_numpy(values.astype(np.float32)), start(watching, 1)
    zero, one, known = torch.zeros(1, 1), torch.ones(1, 1), []
    with torch.inference_mode():
        for value in x:
            seen, state = watching.update(value.reshape(1, 1), zero, one, state)
            lower, upper = watching.interval(zero, one, state, 0.9)
            known.append(torch.cat((state[0], seen.p[0], lower[0], upper[0])))
    told = torch.stack(known)
    states, p, lower, upper = told.split_with_sizes((state_size(1), 1, 1, 1), dim=1)
    assert states.isfinite().all()
    assert ((p[1:] >= 0) & (p[1:] <= 1)).all()
    assert lower.isfinite().all()
    assert upper.isfinite().all()
    assert (upper > lower).all()
    assert (states[:, FIELDS.index("level")] >= np.float32(SMALLEST * 2.0)).all()
    quantiles = states[:, len(FIELDS) : len(FIELDS) + KNOTS]
    assert (quantiles.diff(dim=1) >= 0).all()


def test_a_stream_that_errs_no_more_keeps_the_smallest_level_and_sees_the_next_jump() -> None:
    watching = monitor(calibration(error=2.0))
    _, state = watched(watching, np.zeros((300, 1, 1)))
    assert float(fields(state)["level"]) == np.float32(SMALLEST) * 2
    seen, state = step(watching, 1.0, state)
    assert seen.p < 1e-6
    assert state[0, -AGES:].tolist() == [1, 0]


def test_one_outlier_moves_level_and_mean_by_a_limited_amount() -> None:
    watching = monitor(calibration())
    state = lived(watching)
    before, far, farther = fields(state), *(fields(step(watching, value, state)[1]) for value in (1e3, 1e6))
    assert torch.equal(far["level"], farther["level"])
    assert torch.equal(far["mean"], farther["mean"])
    assert far["level"] == pytest.approx(float(before["level"]) * (0.95 + 0.05 * LIMIT), rel=1e-5)


def test_the_level_follows_the_errors() -> None:
    watching = monitor(calibration(error=5.0))
    _, state = watched(watching, errors("normal", 300, 300)[..., None])
    assert float(fields(state)["level"].mean()) == pytest.approx(MEAN_ABSOLUTE, rel=0.03)


def test_the_mean_follows_slowly_and_moves_the_interval() -> None:
    watching = monitor(calibration())
    _, state = watched(watching, 0.5 + errors("normal", 600, 300)[..., None])
    mean = fields(state)["mean"]
    assert float(mean.mean()) == pytest.approx(0.5, abs=0.05)
    _, early = watched(watching, 0.5 + errors("normal", 20, 300)[..., None])
    assert float(fields(early)["mean"].mean()) < 0.1
    lower, upper = watching.interval(torch.zeros(300, 1), torch.ones(300, 1), state, 0.9).mean(dim=(1, 2))
    assert float(lower + upper) / 2 == pytest.approx(0.5, abs=0.1)


def test_while_a_context_is_young_larger_errors_are_expected() -> None:
    settled, young = monitor(calibration()), monitor(calibration(settling=(8.0, 4.0, 2.0, 1.0)))
    usual = float(condition(settled, torch.ones(1, 1), start(settled, 1))[1])
    state, zero, one, widths, counts = start(young, 1), torch.zeros(1, 1), torch.ones(1, 1), [], []
    for _ in range(7):
        widths.append(float(condition(young, one, state)[1]) / usual)
        counts.append(float(fields(state)["count"]))
        state = state.clone()
        state[0, 0] = young.update(zero, zero, one, state)[1][0, 0]
    np.testing.assert_allclose(widths, [8, 4, 2, 2, 1, 1, 1], rtol=1e-6)
    assert max(counts) < 8  # no more is counted than matters


def test_larger_errors_of_a_young_context_do_not_raise_the_level() -> None:
    watching = monitor(calibration(settling=(4.0, 4.0, 4.0, 4.0, 1.0)))
    values = 4 * errors("normal", 8, 4000)[..., None]
    told, state = watched(watching, values)
    assert float(fields(state)["level"].mean()) == pytest.approx(MEAN_ABSOLUTE, rel=0.03)
    assert float((told.p[1:] < 0.1).float().mean()) == pytest.approx(0.1, abs=0.01)


def bands(watching: Monitor, state: Tensor, steps: int, level: float = 0.9, unit: float = 1.0) -> Tensor:
    """Around forecasts of 5, (2, K)."""
    path = torch.full((len(state), steps, 1), 5.0)
    return intervals(watching, path, torch.full((len(state), 1), unit), state, level)[:, 0, :, 0]


@pytest.mark.parametrize("level", LEVELS)
def test_the_first_band_of_a_forecast_is_the_interval(level: float) -> None:
    watching = monitor(calibration(quantiles=SKEWED, tail=(0.1, 0.2), settling=(2.0, 2.0)))
    for state in (start(watching, 1), lived(watching)):
        interval = watching.interval(torch.full((1, 1), 5.0), torch.full((1, 1), 3.0), state, level)
        torch.testing.assert_close(bands(watching, state, 4, level, 3.0)[:, 0], interval[:, 0, 0])


def test_bands_of_a_new_stream_are_the_checkpoints_at_every_horizon() -> None:
    known = calibration(quantiles=SKEWED, error=2.0)
    lower, upper = bands(monitor(known), start(monitor(known), 1), 8)
    for horizon, rows in zip(known.horizons, known.paths, strict=True):
        assert float(lower[horizon - 1]) == pytest.approx(5 + 2 * rows[0][LOWER], rel=1e-5)
        assert float(upper[horizon - 1]) == pytest.approx(5 + 2 * rows[0][UPPER], rel=1e-5)


def test_bands_widen_between_horizons_and_stay_beyond_the_farthest() -> None:
    watching = monitor(calibration())
    lower, upper = bands(watching, start(watching, 1), 20)
    width = upper - lower
    assert (width[:8].diff() > 0).all()
    torch.testing.assert_close(width[7:], width[7:8].expand(13))
    assert float(width[2]) == pytest.approx(float(width[1] + (width[3] - width[1]) * np.log2(1.5)), rel=1e-5)


def test_what_a_stream_has_shown_is_carried_over_to_its_forecasts() -> None:
    """In proportion: of a random walk with other errors than the checkpoint's, bands are still sqrt(k) as wide."""
    watching = monitor(calibration())
    state = lived(watching, steps=400)
    assert not torch.allclose(fields(state)["quantiles"], start(watching, 1)[:, len(FIELDS) : -AGES], atol=0.2)
    mean = float(fields(state)["mean"])
    for bound in bands(watching, state, 8) - 5 - mean:
        for horizon in HORIZONS:
            assert float(bound[horizon - 1] / bound[0]) == pytest.approx(horizon**0.5, rel=1e-4)


def test_the_condition_is_the_level_and_the_width_now() -> None:
    known: Calibration = calibration(level=0.5)
    watching = monitor(known)
    state, unit = lived(watching), torch.full((1, 1), 3.0)
    size, width = condition(watching, unit, state)
    assert float(size) == pytest.approx(3 * float(fields(state)["level"]))
    lower, upper = watching.interval(torch.zeros(1, 1), unit, state, 0.5)
    assert float(width) == pytest.approx(float(upper - lower), rel=1e-5)
