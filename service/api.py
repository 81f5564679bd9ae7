"""The BentoML service: `bentoml serve service.api:service`."""

import gc
from functools import cache
from math import ceil
from typing import Any, cast

import bentoml
import torch

from service.door import Door
from service.engine import Engine
from service.schemas import ForecastRequest, ForecastResponse, PredictRequest, PredictResponse
from service.settings import Settings


def create(settings: Settings) -> bentoml.Service[Any]:
    """The service for these settings. Its engine is built once per process, when the worker starts.

    The switches are measured (docs/decisions/0002-switches.md): tracing and the built-in metrics cost more than the
    prediction itself, and a garbage collection over the objects of the start costs the tail.
    """

    @cache
    def engine() -> Engine:
        torch.set_num_threads(1)  # matrices are small: threads would only wait for each other
        return Engine.open(settings)

    @bentoml.service(
        name="elman",
        workers=1,
        traffic={"timeout": ceil(settings.body_timeout_seconds) + 5},  # BentoML keeps a timer per request for so long
        metrics={"enabled": False},
        tracing={"excluded_urls": ".*"},
        logging={"access": {"enabled": settings.access_log}},
    )
    class Elman:
        """Stateful next-value prediction."""

        @bentoml.on_deployment  # type: ignore[untyped-decorator]  # BentoML leaves its decorators unannotated
        @staticmethod
        def refuse_early() -> None:
            """What cannot be served is said in one line before any worker starts."""
            Engine.open(settings)

        def __init__(self) -> None:
            self.engine = engine()
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)

        @bentoml.api(route="/predict", input_spec=PredictRequest, output_spec=PredictResponse)  # type: ignore[untyped-decorator]
        async def predict(self, **fields: Any) -> PredictResponse:
            """Observe, and predict the next value."""
            return self.engine.predict(PredictRequest(**fields))

        @bentoml.api(route="/forecast", input_spec=ForecastRequest, output_spec=ForecastResponse)  # type: ignore[untyped-decorator]
        async def forecast(self, **fields: Any) -> ForecastResponse:
            """Run free from a context; changes nothing."""
            return self.engine.forecast(ForecastRequest(**fields))

    service = cast(bentoml.Service[Any], Elman)  # the decorator turns the class into a service
    service.add_asgi_middleware(Door, engine=engine, settings=settings)
    return service


service = create(Settings.from_environment())
