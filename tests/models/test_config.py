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
    ],
)
def test_what_is_not_an_architecture_is_refused(change: dict[str, object], complaint: str) -> None:
    sizes: dict[str, object] = {"input_size": 1, "hidden_size": 6, "output_size": 1}
    with pytest.raises(ValueError, match=complaint):
        ElmanConfig(**{**sizes, **change})  # type: ignore[arg-type]  # that is the point
