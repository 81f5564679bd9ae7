import json
from pathlib import Path

import numpy as np
import pytest

from models.predictor import Values
from tests.accuracy import clean, live
from tests.accuracy.__main__ import main
from tests.accuracy.conftest import OUTLIER, series
from tests.accuracy.engine import Heard, _alarms, adapted, hear
from tests.accuracy.live import HORIZONS, judged, no_change, persistence
from tests.accuracy.scores import hits, mean, winkler
from tests.accuracy.tables import live_rows, live_table
from tests.training.examples import QUICK, dataset, splits
from training.accuracy import Case
from training.evaluate import origins_of
from training.train import Trained

VALUES = series()
CASE = Case("autoregression", dataset(VALUES), splits(VALUES)[0], {})
BEGIN = CASE.split.calibration
ORIGINS = origins_of(CASE.split, HORIZONS[-1])


@pytest.fixture(scope="module")
def heard(fit: Trained) -> Heard:
    return hear(fit.checkpoint, VALUES, BEGIN, ORIGINS, HORIZONS[-1])


def test_value_by_value_through_the_engine_equals_one_chunk_through_the_predictor(fit: Trained, heard: Heard) -> None:
    predictor = fit.checkpoint.predictor("cpu")
    observed = predictor.observe(VALUES[None], predictor.zero_context())
    watch, unit = observed.watch, fit.checkpoint.scaler.scale[0]
    assert watch is not None
    for mine, theirs in (
        (heard.predictions, observed.predictions[0, BEGIN - 1 : -1]),
        (heard.lower, watch.lower[0, BEGIN - 1 : -1]),
        (heard.upper, watch.upper[0, BEGIN - 1 : -1]),
    ):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6 * unit)
    np.testing.assert_allclose(heard.anomaly, watch.anomaly[0, BEGIN:], rtol=0, atol=1e-6)


def test_a_forecast_is_made_before_its_first_row_is_known(fit: Trained, heard: Heard) -> None:
    predictor, number = fit.checkpoint.predictor("cpu"), 7
    context = predictor.observe(VALUES[None, : ORIGINS[number]], predictor.zero_context()).context
    forecast = predictor.forecast(context, HORIZONS[-1])
    assert forecast.lower is not None
    np.testing.assert_allclose(heard.ahead_lower[number], forecast.lower[0], rtol=0, atol=1e-5)
    assert heard.ahead_upper.shape == (len(ORIGINS), HORIZONS[-1], 1)


def test_an_outlier_raises_an_alarm_that_begins_with_it(heard: Heard) -> None:
    assert OUTLIER in [alarm.start for alarm in heard.raised]
    assert heard.anomaly[OUTLIER - BEGIN, 0] < 1e-4


def test_an_alarm_lasts_from_its_first_step_to_the_last_answer_that_names_it() -> None:
    class Answer:
        def __init__(self, start: int | None) -> None:
            self.alarm = None if start is None else type("Alarm", (), {"start_step": start})

    answers = [Answer(90), None, Answer(103), Answer(103), Answer(None), Answer(106)]
    told = [answer or Answer(None) for answer in answers]
    alarms = _alarms(told, 100)  # type: ignore[arg-type]  # only their alarms are looked at
    assert alarms == (range(89, 101), range(102, 104), range(105, 106))
    nothing: Values = np.empty((0, 1))
    assert Heard(100, nothing, nothing, nothing, nothing, alarms, nothing, nothing).raised == alarms[1:]


def test_adapting_predicts_every_row_and_otherwise_than_without(fit: Trained, heard: Heard) -> None:
    learning = adapted(fit.checkpoint, VALUES, BEGIN)
    assert learning.shape == heard.predictions.shape
    predictor = fit.checkpoint.predictor("cpu", adapt=True)
    chunk = predictor.observe(VALUES[None, :-1], predictor.zero_context()).predictions[0, BEGIN - 1 :]
    np.testing.assert_allclose(learning, chunk, rtol=0, atol=1e-6 * fit.checkpoint.scaler.scale[0])


def test_persistence_predicts_the_last_value_and_its_intervals_hold_and_are_wider(fit: Trained, heard: Heard) -> None:
    network = no_change(fit.checkpoint.network)
    x = np.linspace(-1, 1, 5, dtype=np.float64)[None, :, None]
    tensor = network.readout_weight.new_tensor(x)
    predictions, _ = network(tensor, tensor.new_zeros(1, network.config.context_size))
    np.testing.assert_array_equal(predictions.detach().numpy(), x)
    lower, upper = persistence(CASE, fit)
    before = slice(0, OUTLIER - BEGIN)
    truth, bounds = VALUES[BEGIN:, 0][before], (lower[before, 0], upper[before, 0])
    assert 0.8 < mean(hits(truth, *bounds)) <= 1
    mine = winkler(truth, heard.lower[before, 0], heard.upper[before, 0], 0.9)
    assert mine < 0.9 * winkler(truth, *bounds, 0.9), "an AR(2) is predicted better than its last value"


def test_the_figures_are_of_the_test_part(fit: Trained, heard: Heard) -> None:
    outcome = judged(CASE, fit, heard)
    (figures,) = outcome.figures
    assert figures.rows == len(VALUES) - BEGIN
    assert figures.coverage == pytest.approx(np.mean((heard.lower <= VALUES[BEGIN:]) & (VALUES[BEGIN:] <= heard.upper)))
    assert figures.to_naive == figures.winkler / figures.naive_winkler
    assert set(figures.ahead) == set(HORIZONS)
    assert outcome.alarms == 1e4 * len(heard.raised) / figures.rows
    assert 0.8 < figures.adapted < 1.2

    (row,) = live_rows([CASE], [[outcome, outcome, outcome]])
    assert row["kept"] == {outcome.kept: 3}
    assert row["coverage"] == figures.coverage
    assert live_table([row]).row_count == 3


def test_a_folder_is_measured_from_the_command_line_to_tables_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A series too short for a calibration has no intervals, and null in the JSON, but does not end the measuring."""
    monkeypatch.setattr(live, "Options", lambda: QUICK)
    monkeypatch.setattr(clean, "KINDS", {})
    (tmp_path / "short.csv").write_text("x\n" + "\n".join(str(value) for value in VALUES[:60, 0]) + "\n")
    (tmp_path / "some.csv").write_text("y\n" + "\n".join(str(value) for value in VALUES[:160, 0]) + "\n")
    assert main([str(tmp_path), "--seeds", "1", "--output", str(tmp_path / "live.json")]) == 0
    short, some = json.loads((tmp_path / "live.json").read_text())["live"]
    assert (short["series"], short["coverage"], short["rows"]) == ("short: x", None, 0)
    assert (some["series"], some["rows"], some["worst"]) == ("some: y", 32, None)
    assert 0.5 < some["coverage"] <= 1
    printed = capsys.readouterr().out
    assert "some: y" in printed
    assert "88.5 to 91.5" in printed
