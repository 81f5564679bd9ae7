"""One small training for all tests of this folder: an AR(2) with an outlier in its test part."""

import pytest

from models.predictor import Values
from tests.training.examples import autoregression, trained
from training.train import Trained

OUTLIER = 480


def series() -> Values:
    """(T, 1)"""
    values = autoregression(500)
    values[OUTLIER] += 40
    return values


@pytest.fixture(scope="session")
def fit() -> Trained:
    return trained(series())
