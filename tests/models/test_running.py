import numpy as np
import torch

from models import running


def after(values: np.ndarray) -> tuple[float, float]:
    """Mean and scale of one stream of one feature."""
    state = running.updates(torch.from_numpy(values)[None, :, None], torch.zeros(1, 3, dtype=torch.float64))[0, -1]
    return float(state[1]), float(state[2])


def test_mean_and_scale_are_those_of_what_was_seen() -> None:
    values = np.random.default_rng(0).normal(5, 3, size=400)
    mean, scale = after(values)
    assert np.isclose(mean, values.mean())
    assert np.isclose(scale, values.std())


def test_the_far_past_is_forgotten() -> None:
    mean, scale = after(np.r_[np.random.default_rng(0).normal(0, 1, 500), np.random.default_rng(1).normal(9, 2, 9000)])
    assert abs(mean - 9) < 0.3
    assert abs(scale - 2) < 0.3


def test_an_outlier_does_not_blind_the_network() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    clean, values[500] = after(values)[1], 1e9
    assert after(values)[1] < 1.2 * clean


def test_a_stream_that_wakes_up_is_seen_again() -> None:
    values = np.random.default_rng(0).normal(size=3000)
    values[:100] *= 1e-6
    assert after(values)[1] > 0.7


def test_values_are_seen_in_the_units_of_the_stream() -> None:
    state = torch.tensor([[7.0, 10.0, 0.0, 2.0, 0.0]])
    assert running.seen(torch.tensor([[14.0, 3.0]]), state).tolist() == [[2.0, 0.0]]
