import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models import Calibration
from models.calibration import PROBABILITIES
from tests.models.examples import HORIZONS, NORMAL, calibration

FALLING = (*NORMAL[:3], NORMAL[4], NORMAL[3], *NORMAL[5:])


def test_it_survives_json_bit_by_bit() -> None:
    known = replace(calibration(2), error=(0.1 + 0.2, 1 / 3))
    assert Calibration.of(json.loads(json.dumps(known.description()))) == known


def test_all_of_it_is_described() -> None:
    described = calibration(2).description()
    assert set(described) == {"level", "error", "quantiles", "tail", "settling", "horizons", "paths"}
    assert described["horizons"] == HORIZONS
    described.pop("tail")
    with pytest.raises(TypeError):
        Calibration.of(described)


def test_the_probabilities_are_symmetric_and_hold_the_usual_interval() -> None:
    np.testing.assert_allclose(np.add(PROBABILITIES, PROBABILITIES[::-1]), 1)
    assert {0.05, 0.5, 0.95} <= set(PROBABILITIES)


def test_targets_are_counted() -> None:
    assert [calibration(targets).targets for targets in (1, 3)] == [1, 3]


def test_parts_are_told_as_float32() -> None:
    paths = calibration(3).array("paths")
    assert paths.dtype == np.float32
    assert paths.shape == (len(HORIZONS), 3, len(PROBABILITIES))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("quantiles", (NORMAL, NORMAL)),
        ("quantiles", (NORMAL[:-1],)),
        ("quantiles", NORMAL),
        ("tail", ((0.1, 0.0, 0.0),)),
        ("tail", ((0.1, 0.0), (0.1, 0.0))),
        ("tail", ()),
        ("settling", ()),
        ("settling", ((1.0,),)),
        ("horizons", ()),
        ("paths", ((NORMAL,),)),
        ("paths", ((NORMAL, NORMAL),) * len(HORIZONS)),
        ("error", ()),
        ("error", (1.0, 1.0)),
        ("quantiles", ((*NORMAL[:-1], np.inf),)),
        ("quantiles", ((np.nan, *NORMAL[1:]),)),
        ("tail", ((0.1, np.nan),)),
        ("settling", (np.inf,)),
        ("paths", ((NORMAL,), (NORMAL,), (NORMAL,), ((*NORMAL[:-1], np.inf),))),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_parts_that_are_not_finite_or_do_not_fit_are_refused(part: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be finite numbers of shape"):
        replace(calibration(), **{part: value})


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90.0, np.nan])
def test_a_level_is_between_0_and_1(level: float) -> None:
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        replace(calibration(), level=level)


@pytest.mark.parametrize("error", [0.0, -1.0, np.nan, np.inf])
def test_an_error_without_a_size_is_refused(error: float) -> None:
    with pytest.raises(ValueError, match="must have a size"):
        replace(calibration(), error=(error,))


@pytest.mark.parametrize("scale", [0.0, -0.1])
def test_a_tail_without_a_size_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="must have a size"):
        replace(calibration(), tail=((scale, 0.1),))


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_settling_is_by_factors_above_0(factor: float) -> None:
    with pytest.raises(ValueError, match="settling must be factors above 0"):
        replace(calibration(), settling=(2.0, factor))


@pytest.mark.parametrize(
    "horizons", [(2, 3, 4, 8), (1, 2, 2, 8), (1, 4, 2, 8), (0, 1, 2, 4), (1, 1.5, 2, 4), (True, 2, 3, 4)]
)
def test_horizons_rise_from_1(horizons: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="horizons must be whole numbers that rise from 1"):
        replace(calibration(), horizons=horizons)


def test_quantiles_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="quantiles must not fall"):
        replace(calibration(), quantiles=(FALLING,))
    with pytest.raises(ValueError, match="quantiles must not fall"):
        replace(calibration(), paths=((NORMAL,), (NORMAL,), (FALLING,), (NORMAL,)))


def test_equal_quantiles_are_no_fall() -> None:
    """A series that is predicted exactly most of the time has them."""
    replace(calibration(), quantiles=((0.0,) * len(NORMAL),))
