from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from models import ElmanConfig
from models.elman import Elman
from training.data import Split
from training.streams import Streams, groups_of

NAN = float("nan")
LONGER, SHORTER = Split(6, 9, 9, 12), Split(4, 6, 6, 7)


def series(rows: int, features: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, features)).astype(np.float32)


def test_the_test_parts_are_left_behind_and_shorter_series_padded() -> None:
    one, other = series(12), series(7, seed=1)
    streams = Streams.of([one, other], [LONGER, SHORTER])
    assert streams.values.shape == (2, 9, 1)
    assert streams.values.dtype == torch.float64
    np.testing.assert_array_equal(streams.values[0], one[:9])
    np.testing.assert_array_equal(streams.values[1, :6], other[:6])
    assert streams.values[1, 6:].isnan().all()


def test_inputs_and_targets_are_one_step_apart() -> None:
    streams = Streams.of([series(12)], [LONGER])
    assert torch.equal(streams.inputs[:, 1:], streams.targets[:, :-1])
    assert torch.equal(streams.targets[0, -1], streams.values[0, 8])


def test_every_target_belongs_to_the_part_that_it_lies_in() -> None:
    streams = Streams.of([series(12), series(7)], [LONGER, SHORTER])
    train, validation = streams.part("train").tolist(), streams.part("validation").tolist()
    assert train == [[True] * 5 + [False] * 3, [True] * 3 + [False] * 5]
    assert validation == [[False] * 5 + [True] * 3, [False] * 3 + [True] * 2 + [False] * 3]


def test_the_first_targets_are_skipped_but_at_most_a_quarter() -> None:
    streams = Streams.of([series(50), series(12)], [Split(40, 45, 45, 50), Split(8, 10, 10, 12)])
    train = streams.part("train", skip=5)
    assert train.sum(dim=1).tolist() == [39 - 5, 7 - 2]
    assert not train[0, :5].any()
    assert train[0, 5]
    assert torch.equal(streams.part("validation", skip=5), streams.part("validation"))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(lengths=st.lists(st.integers(3, 40), min_size=0, max_size=12), most=st.integers(1, 400))
def test_groups_cover_every_series_once_within_their_bound(
    monkeypatch: pytest.MonkeyPatch, lengths: list[int], most: int
) -> None:
    monkeypatch.setattr("training.streams.MAX_NUMBERS", most)
    numbered = [np.full((length, 1), number, np.float32) for number, length in enumerate(lengths)]
    splits = [Split(length // 3, length - 1, length - 1, length) for length in lengths]
    groups = groups_of(numbered, splits, width=3)
    assert sorted(int(row[0, 0]) for group in groups for row in group.values) == list(range(len(lengths)))
    for group in groups:
        assert len(group.values) == 1 or group.values.shape[0] * group.values.shape[1] * 3 <= most
        for row, end in zip(group.values, group.validation, strict=True):
            assert int(end) == lengths[int(row[0, 0])] - 1


def as_in_serving(network: Elman, values: Tensor) -> Tensor:
    """The values that `scan` goes on with where something is missing."""
    start = values.new_zeros(len(values), network.config.context_size)
    outputs, _ = network.scan(values, start)
    predicted = torch.cat((network.peek(start)[:, None], outputs[:, :-1]), dim=1)
    return torch.where(values.isnan(), predicted, values)


def gap_inside(values: Tensor) -> None:
    values[:, 10:15] = NAN


def gap_at_the_start(values: Tensor) -> None:
    values[:, :5] = NAN


def partly_missing(values: Tensor) -> None:
    values[:, 8:13, 0] = NAN
    values[:, 20:22, 1] = NAN
    values[1, 24] = NAN


OPTIONS: list[dict[str, object]] = [{}, {"residual": True}, {"per_stream_scale": True}, {"num_layers": 2, "taps": ()}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("punch", [gap_inside, gap_at_the_start, partly_missing])
@torch.no_grad()
def test_gaps_are_filled_as_in_serving(options: dict[str, object], punch: Callable[[Tensor], None]) -> None:
    config = ElmanConfig(2, 6, 2, **({"taps": (1, 3)} | options))  # type: ignore[arg-type]
    network = Elman(config, torch.Generator().manual_seed(0)).double()
    values = torch.from_numpy(np.stack([series(30, 2), series(30, 2, seed=1)])).double()
    punch(values)
    heard = Streams(values, torch.tensor([20, 20]), torch.tensor([30, 30]), torch.tensor([30, 30])).heard(
        network, sweeps=8
    )
    torch.testing.assert_close(heard, as_in_serving(network, values)[:, :-1], rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_shorter_series_is_filled_as_if_it_were_alone() -> None:
    network = Elman(ElmanConfig(1, 6, 1, taps=(1, 2)), torch.Generator().manual_seed(0)).double()
    longer, shorter = series(30), series(20, seed=1)
    shorter[[0, 1, 9, 17]] = longer[25:28] = NAN
    both = Streams.of([longer, shorter], [Split(20, 29, 29, 30), Split(12, 18, 18, 20)]).heard(network, sweeps=4)
    for row, values, end in ((0, longer, 29), (1, shorter, 18)):
        alone = as_in_serving(network, torch.from_numpy(values[None, :end]).double())
        end = min(end, both.shape[1])
        torch.testing.assert_close(both[row : row + 1, :end], alone[:, :end], rtol=0, atol=1e-5)
    assert both.isfinite().all()


@torch.no_grad()
def test_of_a_longer_gap_as_many_values_are_exact_as_there_are_sweeps() -> None:
    network = Elman(ElmanConfig(1, 6, 1, taps=(1, 2), residual=True), torch.Generator().manual_seed(0)).double()
    values = torch.from_numpy(series(30)[None]).double()
    values[:, 10:25] = NAN
    heard = Streams(values, torch.tensor([20]), torch.tensor([30]), torch.tensor([30])).heard(network, sweeps=4)
    torch.testing.assert_close(heard[:, :14], as_in_serving(network, values)[:, :14], rtol=0, atol=1e-5)
    assert heard.isfinite().all()
