"""The rates and delays at the end are of whole monitors; the numbers in models/alarm.py stand and fall with them."""

from math import exp, log

import numpy as np
import pytest
import torch

from models import alarm
from models.monitor import aged, charted
from tests.models.examples import Samples, calibrated, column, errors, monitor, start


def ages(*steps: tuple[bool, bool]) -> list[list[float]]:
    """Of one stream after every step of (raised, calm)."""
    state, found = torch.zeros(1, 2), []
    for raised, calm in steps:
        state = aged(state, torch.tensor([raised]), torch.tensor([calm]))
        found.append(state[0].tolist())
    return found


def test_charts_add_up_what_exceeds_the_slack() -> None:
    high, low = torch.tensor([[0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.25, 3.0]])
    high, low = charted(torch.tensor([[2.0, -1.0, 0.0]]), high, low, 10.0)
    assert high.tolist() == [[1.5, 0.5, 1.5]]
    assert low.tolist() == [[0.0, 0.75, 2.5]]


def test_charts_count_what_is_likelier_of_a_small_shift_and_a_large_one() -> None:
    scores = torch.linspace(0.0, 3.5, 36)
    small, large = scores - 1**2 / 2, 2.5 * scores - 2.5**2 / 2 + log(0.3)  # log-likelihood ratios, and odds
    empty = torch.full_like(scores, 5.0)
    assert torch.allclose(charted(scores, empty, empty, 10.0)[0] - 5.0, torch.maximum(small, large), atol=0.05)
    assert torch.allclose(charted(-scores, empty, empty, 10.0)[1] - 5.0, torch.maximum(small, large), atol=0.05)


def test_charts_do_not_fall_below_zero_and_no_value_fills_them() -> None:
    zero, most = torch.zeros(1, 1), alarm.STEEP * alarm.CLIP - alarm.LATE
    high, low = charted(torch.tensor([[1e9]]), zero, zero, 10.0)
    assert [high.item(), low.item()] == pytest.approx([most, 0.0])
    high, low = charted(torch.tensor([[-1e9]]), zero, zero, 10.0)
    assert [high.item(), low.item()] == pytest.approx([0.0, most])
    assert most < alarm.threshold(1e-4, 1)


def test_charts_hold_so_many_thresholds_at_most() -> None:
    high = low = torch.zeros(1, 1)
    for _ in range(100):
        high, low = charted(torch.full((1, 1), 3.0), high, low, 8.0)
    assert (high.item(), low.item()) == (alarm.ROOM * 8.0, 0.0)


def test_a_stream_without_alarms_has_no_ages() -> None:
    assert ages((False, True), (False, False)) == [[0, 0], [0, 0]]


def test_an_alarm_begins_runs_ends_and_begins_again() -> None:
    quiet, raised, between, calm = (False, True), (True, False), (False, False), (False, True)
    assert ages(quiet, raised, raised, between, calm, between, calm, raised, calm) == [
        [0, 0],
        [1, 0],
        [2, 0],
        [3, 0],  # no longer raised, not calm: it runs on
        [4, 1],  # over
        [5, 2],  # no longer calm, but nothing new was raised
        [6, 3],
        [1, 0],  # another
        [2, 1],
    ]


def test_what_raises_an_alarm_begins_it_even_if_the_charts_are_calm() -> None:
    """One very unlikely value."""
    assert ages((True, True), (True, True), (False, True)) == [[1, 0], [2, 0], [3, 1]]


def test_streams_of_a_batch_have_their_own_alarms() -> None:
    state = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 2.0]])
    after = aged(state, torch.tensor([True, False, False]), torch.tensor([False, True, True]))
    assert after.tolist() == [[1, 0], [5, 1], [5, 3]]


def test_fewer_false_alarms_need_a_higher_threshold() -> None:
    thresholds = [alarm.threshold(rate, 1) for rate in (1e-2, 1e-3, 1e-4, 1e-5)]
    assert thresholds == sorted(set(thresholds))
    assert exp(alarm.STEEPNESS * (thresholds[3] - thresholds[2])) == pytest.approx(10)
    assert alarm.threshold(alarm.RATE_AT / (1 - alarm.SHARE), 1) == pytest.approx(alarm.AT)
    assert alarm.threshold(1.0, 1) == 1.0  # never so low that every value raises one


def test_the_rate_is_shared_by_all_targets_and_by_charts_and_single_values() -> None:
    assert alarm.threshold(3e-4, 3) == pytest.approx(alarm.threshold(1e-4, 1))
    assert alarm.unlikely(3e-4, 3) == pytest.approx(alarm.unlikely(1e-4, 1))
    assert alarm.unlikely(1e-4, 1) == pytest.approx(alarm.SHARE * 1e-4)


def alarms(kind: str, rate: float, shifts: Samples, steps: int, begin: int) -> Samples:
    """Steps since the last alarm began and since it ended, and p-values. (T, B, 3)

    shifts: in standard deviations, of the streams' errors from `begin` on, (B,).
    """
    watching, values, streams = monitor(calibrated(kind), rate), errors(kind, steps, len(shifts)), len(shifts)
    values[begin:] += shifts * values.std()
    unit, prediction, state, found = torch.ones(streams, 1), torch.zeros(streams, 1), start(watching, streams), []
    with torch.inference_mode():
        for value in values:
            seen, state = watching.update(column(value), prediction, unit, state)
            found.append(torch.cat((state[:, -2:], seen.p), dim=1))
    return torch.stack(found).double().numpy()


def running(found: Samples) -> Samples:
    """Whether an alarm runs. (T, B)"""
    result: Samples = (found[..., 0] > 0) & (found[..., 1] == 0)
    return result


@pytest.mark.parametrize("kind", ["normal", "t5"])
@pytest.mark.parametrize(("rate", "streams"), [(1e-3, 500), (1e-4, 3000)])
def test_false_alarms_are_as_rare_as_asked(kind: str, rate: float, streams: int) -> None:
    """120 of them are expected at the lower rate, and chance may make them 30 % more or fewer."""
    began = (alarms(kind, rate, np.zeros(streams), 400, 0)[..., 0] == 1).mean()
    assert rate / 2 < began < rate * 2


@pytest.mark.parametrize("kind", ["normal", "t5"])
@pytest.mark.parametrize(("rate", "latest"), [(1e-3, (3, 7, 30)), (1e-4, (4, 9, 40))])
def test_a_shift_is_found_soon(kind: str, rate: float, latest: tuple[int, ...]) -> None:
    """Of 5, 2 and 1 standard deviations."""
    runs = running(alarms(kind, rate, np.repeat([5.0, 2.0, 1.0], 300), 250, 150))[150:]
    delays = np.where(runs.any(axis=0), runs.argmax(axis=0) + 1, np.inf)
    assert (np.median(delays.reshape(3, 300), axis=1) <= latest).all()
    if kind == "normal":
        assert np.median(delays[:300]) <= 3


def test_a_stream_that_stays_where_it_went_is_ordinary_again() -> None:
    """After five standard deviations its values are surprising for ten steps, and its alarm is over in 150."""
    found = alarms("normal", 1e-4, np.full(200, 5.0), 1000, 150)[150:]
    runs, p = running(found), found[..., 2]
    assert runs[:60].any(axis=0).all()
    assert runs[150].mean() < 0.02
    assert runs[200:].mean() < 0.02
    assert (p[:3] < 0.05).mean() > 0.9
    assert (p[10:20] < 0.05).mean() < 0.10
    surprised = np.array([(p[step : step + 100] < 0.05).mean() for step in range(0, 800, 100)])
    assert (surprised < 0.10).all()
    assert (surprised[3:] > 0.02).all()  # nor are its intervals too wide any more
