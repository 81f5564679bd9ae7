import numpy as np
import pytest

from tests.accuracy import clean
from tests.accuracy.clean import CALM_STEPS, KINDS, SIGMA, Watched, calm_after, shifted, uneven, watched
from tests.accuracy.tables import clean_rows, clean_table
from tests.training.examples import QUICK, autoregression
from training.train import Trained


@pytest.mark.parametrize("kind", ["white noise", "heavy tails, t(5)"])
def test_noise_has_the_standard_deviation_that_shifts_are_counted_in(kind: str) -> None:
    values = KINDS[kind](np.random.default_rng(0), 20, 5000)
    assert values.shape == (20, 5000)
    assert values.std() == pytest.approx(SIGMA, rel=0.03)


def test_an_autoregression_has_innovations_of_that_size() -> None:
    values = KINDS["AR(1), 0.7"](np.random.default_rng(0), 20, 5000) - clean.LEVEL
    assert (values[:, 1:] - 0.7 * values[:, :-1]).std() == pytest.approx(SIGMA, rel=0.02)


def test_streams_side_by_side_are_watched_as_each_alone(fit: Trained) -> None:
    values = autoregression(260)[:, 0]
    predictor = fit.checkpoint.predictor("cpu")
    broken = values.copy()
    broken[200:] += 30
    seen = watched(predictor, np.stack((values, broken)))
    context, alarms = predictor.zero_context(), []
    for value in broken:
        context = predictor.observe(np.array([[[value]]]), context).context
        alarms.append(predictor.alarm(context))
    assert seen.began[1].tolist() == [since == 1 for since, _ in alarms]
    assert seen.runs[1].tolist() == [since > 0 and not over for since, over in alarms]
    alone = predictor.observe(broken[None, :, None], predictor.zero_context()).watch
    assert alone is not None
    np.testing.assert_allclose(seen.p[1], alone.anomaly[0, :, 0], rtol=0, atol=1e-4)
    assert seen.began[1, 200]
    assert not seen.began[0, 200]


def test_a_delay_counts_the_shifted_values_and_leaves_out_what_was_in_alarm_before() -> None:
    began = np.zeros((4, 1000), dtype=bool)
    began[0, 100], began[1, 104] = True, True
    runs = np.zeros_like(began)
    runs[3, 90:110] = True
    width = np.where(np.arange(1000) < 100, 2.0, 3.0) * np.ones((4, 1))
    found = shifted(Watched(np.full(began.shape, 0.5), width, began, runs), 100)
    assert (found.found, found.delay) == (2 / 3, 5.0)
    assert (found.rare, found.wider, found.calm) == (0.0, 1.5, 0.0)


def test_calm_begins_when_less_than_a_tenth_of_the_next_values_are_rare() -> None:
    p = np.full((2, 400), 0.5)
    p[0, :30] = 0.01
    p[1] = 0.01
    assert calm_after(p).tolist() == [21, np.inf]  # from 21 on, 9 of the next 100
    assert CALM_STEPS == 100


def test_uneven_is_the_largest_deviation_of_a_bin() -> None:
    even = (np.arange(2000) + 0.5) / 2000
    assert uneven(even) == pytest.approx(0)
    assert uneven(np.concatenate((even, np.full(100, 0.99)))) == pytest.approx(200 / 2100 * 20 - 1)


def test_a_kind_of_stream_is_measured_from_training_to_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("ROWS", 300), ("STREAMS", 10), ("STEPS", 60), ("BEFORE", 120), ("AFTER", 110)):
        monkeypatch.setattr(clean, name, number)
    monkeypatch.setattr(clean, "Options", lambda: QUICK)
    outcome = clean.outcome(("white noise", 1))
    assert outcome.shifted[5.0].found > 0.8
    assert outcome.shifted[5.0].delay <= 3
    (row,) = clean_rows(["white noise"], [[outcome]])
    assert row["shifted"]["5"]["found"] == outcome.shifted[5.0].found
    assert row["below"]["0.1"] == outcome.below[0.1]
    assert clean_table([row]).row_count == 2
