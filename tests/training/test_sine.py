import numpy as np
import pytest

from training import sine, tutorial


def ignore(line: str) -> None:
    pass


@pytest.mark.parametrize("seed", range(5))
def test_the_improved_network_predicts_the_sine_and_stays_on_it(seed: int) -> None:
    predictor = sine.improved(seed, ignore).checkpoint.predictor("cpu")
    observed = predictor.observe(sine.SINE[None, :, None], predictor.zero_context())
    predictions, context = observed.predictions, observed.context
    assert np.square(predictions[0, :-1, 0] - sine.SINE[1:]).mean() <= 1e-5
    step = sine.TIMES[1] - sine.TIMES[0]
    ahead = np.sin(sine.TIMES[-1] + step * np.arange(1, 201))
    alone = predictor.forecast(context, 200).path[0, :, 0]
    assert np.sqrt(np.square(alone - ahead).mean()) <= 0.05


def test_the_same_seed_gives_the_same_improved_network() -> None:
    one, again, other = (sine.improved(seed, ignore).checkpoint.fingerprint for seed in (7, 7, 8))
    assert one == again != other


def test_it_tells_what_it_tries_and_records_what_it_found() -> None:
    lines: list[str] = []
    learned = sine.improved(0, lines.append)
    assert lines[0].startswith("Start: 0 free-running error ")
    assert lines[-1].startswith("mean squared error ")
    metrics = learned.checkpoint.training["metrics"]
    assert metrics["mean_squared_error"] == pytest.approx(
        np.square(np.array(learned.predictions) - sine.SINE[1:]).mean()
    )


def test_the_classic_checkpoint_is_the_tutorial() -> None:
    learned, expected = sine.classic(0, ignore), tutorial.run(0, ignore)
    np.testing.assert_allclose(learned.predictions, expected.predictions, rtol=0, atol=1e-6)
    assert learned.checkpoint.training["metrics"]["loss_last"] == expected.losses[-1]


def test_the_table_sets_what_was_predicted_beside_the_sine() -> None:
    table = sine.lines([0.5] * 20)
    assert len(table) == 22
    assert table[2] == f" 2.40    {np.sin(2.4):+.4f}    +0.5000"
