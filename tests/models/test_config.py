import pytest

from models import ElmanConfig


def test_context_is_one_hidden_state_per_layer() -> None:
    assert ElmanConfig(1, 6, 1, num_layers=3).context_size == 18


def test_shapes_join_the_input_with_the_context() -> None:
    assert ElmanConfig(2, 6, 1, num_layers=2).shapes() == {
        "hidden_weights.0": (8, 6),
        "hidden_biases.0": (6,),
        "hidden_weights.1": (12, 6),
        "hidden_biases.1": (6,),
        "readout_weight": (6, 1),
        "readout_bias": (1,),
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"input_size": 0}, "input_size"),
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"output_size": 1.0}, "output_size"),
        ({"num_layers": True}, "num_layers"),
        ({"nonlinearity": "sigmoid"}, "nonlinearity"),
        ({"bias": 1}, "bias"),
        ({"residual": None}, "residual"),
        ({"per_stream_scale": 0}, "per_stream_scale"),
        ({"taps": (0, 1)}, "taps"),
        ({"taps": (2, 1)}, "taps"),
        ({"taps": (1, 1)}, "taps"),
        ({"taps": (1, 5000)}, "taps"),
        ({"taps": (1.0,)}, "taps"),
        ({"taps": (True,)}, "taps"),
        ({"output_size": 2, "residual": True}, "as many outputs as inputs"),
        ({"output_size": 2, "per_stream_scale": True}, "as many outputs as inputs"),
    ],
)
def test_what_is_not_an_architecture_is_refused(change: dict[str, object], complaint: str) -> None:
    sizes: dict[str, object] = {"input_size": 1, "hidden_size": 6, "output_size": 1}
    with pytest.raises(ValueError, match=complaint):
        ElmanConfig(**{**sizes, **change})  # type: ignore[arg-type]  # that is the point


def test_the_context_carries_hidden_states_past_inputs_and_the_running_scale() -> None:
    config = ElmanConfig(2, 6, 2, num_layers=3, taps=(1, 4), per_stream_scale=True)
    assert config.context_sizes == (18, 8, 5)
    assert config.context_size == 31
    assert config.delay == 4


def test_the_change_needs_only_the_last_input() -> None:
    assert ElmanConfig(2, 6, 2, residual=True).context_sizes == (6, 2, 0)


def test_the_readout_reads_the_taps_beside_the_hidden_state() -> None:
    config = ElmanConfig(2, 6, 2, taps=(1, 4), bias=False)
    assert config.readout_size == 10
    assert config.shapes() == {"hidden_weights.0": (8, 6), "readout_weight": (10, 2)}


def test_the_description_leaves_out_what_came_later_and_is_off() -> None:
    plain = {"input_size": 1, "hidden_size": 6, "output_size": 1, "num_layers": 1, "nonlinearity": "tanh", "bias": True}
    assert ElmanConfig(1, 6, 1).description() == plain
    assert ElmanConfig(1, 6, 1, taps=(1, 2)).description() == plain | {"taps": (1, 2)}
    assert ElmanConfig(1, 6, 1, residual=True).description() == plain | {"residual": True}
