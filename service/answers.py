"""From what was computed to what is answered."""

from typing import Any

from models.predictor import NUMBERS, Forecast
from service import observations
from service.schemas import Alarm, ForecastResponse
from service.sessions import Answer
from service.stepping import Stepped


def last_alarm(ages: tuple[int, int], step: int) -> Alarm | None:
    """The last alarm of a stream at a step, running or over; ages: as `Predictor.alarm` tells them."""
    since, over = ages
    return Alarm(start_step=step - since + 1, end_step=step - over + 1 if over else None) if since else None


def answered(
    stepped: Stepped,
    step: int,
    model: str,
    *,
    session_id: str | None = None,
    context: str | None = None,
    rebuilt: int = 0,
) -> dict[str, Any]:
    """The answer to a request that has been applied, as JSON has it; what there is not is left out."""
    answer: dict[str, Any] = dict(zip(NUMBERS, stepped.answer, strict=False))
    if stepped.alarm:
        answer["alarm"] = {"start_step": stepped.alarm}
    if session_id is not None:
        answer["session_id"] = session_id
    answer |= {"step": step, "model": model}
    if context is not None:
        answer["context"] = context
    if rebuilt:
        answer |= {"rebuilt": True, "rebuilt_steps": rebuilt}
    return answer


def predicted(last: Answer, step: int, model: str, *, session_id: str) -> dict[str, Any]:
    """The same answer, given again."""
    bounds = () if last.bounds is None else last.bounds
    stepped = Stepped([observations.to_bounds(part) for part in (last.predictions, *bounds)], last.alarm, 0.0)
    return answered(stepped, step, model, session_id=session_id, rebuilt=last.rebuilt)


def forecasted(forecast: Forecast, step: int, model: str) -> ForecastResponse:
    """The path and its bounds."""
    return ForecastResponse.model_construct(
        forecast=observations.to_plain(forecast.path[0]),
        lower=None if forecast.lower is None else observations.to_bounds(forecast.lower[0]),
        upper=None if forecast.upper is None else observations.to_bounds(forecast.upper[0]),
        step=step,
        model=model,
    )
