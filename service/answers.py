"""From what was computed to what is answered."""

import numpy as np

from models.predictor import Forecast, Observed, Values
from service import observations
from service.schemas import Alarm, Bound, ForecastResponse, PredictResponse
from service.sessions import Answer


def last_alarm(ages: tuple[int, int], step: int) -> Alarm | None:
    """The last alarm of a stream at a step, running or over; ages: as `Predictor.alarm` tells them."""
    since, over = ages
    return Alarm(start_step=step - since + 1, end_step=step - over + 1 if over else None) if since else None


def answer_of(observed: Observed, base: int, digest: bytes, ages: tuple[int, int], rebuilt: int = 0) -> Answer:
    """What is kept of the answer to a request that was applied at the step `base`."""
    watch, predictions = observed.watch, observed.predictions[0]
    bounds = None if watch is None else np.stack((watch.lower[0], watch.upper[0], watch.anomaly[0]))
    last = last_alarm(ages, base + len(predictions))
    running = last.start_step if last is not None and last.end_step is None else 0
    return Answer(base, digest, predictions, bounds, rebuilt, running)


def predicted(
    answer: Answer, step: int, model: str, *, session_id: str | None = None, context: str | None = None
) -> PredictResponse:
    """The answer, as it was given and as it is given again."""
    lower, upper, anomaly = _plain(answer.bounds)
    return PredictResponse.model_construct(
        predictions=observations.to_plain(answer.predictions),
        lower=lower,
        upper=upper,
        anomaly=anomaly,
        alarm=Alarm(start_step=answer.alarm) if answer.alarm else None,
        session_id=session_id,
        step=step,
        model=model,
        context=context,
        rebuilt=True if answer.rebuilt else None,
        rebuilt_steps=answer.rebuilt or None,
    )


def forecasted(forecast: Forecast, step: int, model: str) -> ForecastResponse:
    """The path and its bounds."""
    return ForecastResponse.model_construct(
        forecast=observations.to_plain(forecast.path[0]),
        lower=None if forecast.lower is None else observations.to_bounds(forecast.lower[0]),
        upper=None if forecast.upper is None else observations.to_bounds(forecast.upper[0]),
        step=step,
        model=model,
    )


def _plain(bounds: Values | None) -> list[list[Bound] | None]:
    return [None] * 3 if bounds is None else [observations.to_bounds(part) for part in bounds]
