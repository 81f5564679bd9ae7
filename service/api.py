"""The BentoML service: `bentoml serve service.api:service`."""

import gc
import logging
from functools import cache
from math import ceil
from typing import Any, cast

import bentoml

from service.codec import encode
from service.columns import Columns
from service.custody import Custody
from service.door import Door
from service.front import Fronted
from service.leaving import on_leaving
from service.oip.routes import Protocol
from service.opening import check, open_engine
from service.orphans import die_with_supervisor
from service.readiness import Readiness
from service.routes import Routes
from service.schemas import (
    ForecastRequest,
    ForecastResponse,
    PredictBatchRequest,
    PredictBatchResponse,
    PredictRequest,
    PredictResponse,
)
from service.settings import Settings, unknown_variables
from service.siblings import Siblings, make_directory
from service.tokens import share_random_key

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 (only where keys are needed)

logger = logging.getLogger("elman")


def create(settings: Settings) -> bentoml.Service[Any]:
    """The service for these settings. Its engine is built once per process, when the worker starts.

    The switches are measured (docs/decisions/0002-switches.md): tracing and the built-in metrics cost more than the
    prediction itself, and a garbage collection over the objects of the start costs the tail.
    """

    @cache
    def siblings() -> Siblings:
        return Siblings.of_this_process(settings.workers)

    @cache
    def routes() -> Routes:
        others = siblings()  # first: while the engine is opened, this worker is there for them
        engine = open_engine(settings)
        readiness = Readiness(engine.store, others, settings.store_timeout_seconds)
        protocol = Protocol(engine, settings, others, readiness)
        others.tell(lambda: {"metrics": engine.metrics.state(), "statistics": protocol.counted()})
        return Routes(engine, Custody(engine, settings), others, readiness, protocol.table)

    @bentoml.service(
        name="elman",
        workers=settings.workers,
        http={"host": LOOPBACK if settings.api_keys is None else EVERYWHERE},  # unless --host says otherwise
        # BentoML keeps a timer per request for so long; our own limits end a request before.
        traffic={"timeout": ceil(settings.body_timeout_seconds + 3 * settings.store_timeout_seconds) + 5},
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
            for name in unknown_variables():
                logger.warning("%s is not a setting; docs/settings.md lists them all", name)
            check(settings)
            if settings.workers > 1:
                make_directory()
                if settings.token_key is None:
                    share_random_key()

        def __init__(self) -> None:
            if bentoml.server_context.worker_index is not None:
                die_with_supervisor()
            self.engine = routes().engine
            if settings.api_keys is None:
                logger.warning(
                    "no ELMAN_API_KEYS: open to whoever reaches it; on loopback unless --host says otherwise"
                )
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def meet(self) -> None:
            """From now on the other workers are answered, and who watches is told when this one stops."""
            on_leaving(self.engine.watching.close)
            await siblings().start()

        @bentoml.api(route="/predict", input_spec=PredictRequest, output_spec=PredictResponse)  # type: ignore[untyped-decorator]
        async def predict(self, **fields: Any) -> PredictResponse:
            """Observe, and predict the next value."""
            return (await self.engine.predict(PredictRequest(**fields))).response

        @bentoml.api(route="/predict_batch", input_spec=PredictBatchRequest, output_spec=PredictBatchResponse)  # type: ignore[untyped-decorator]
        async def predict_batch(self, **fields: Any) -> PredictBatchResponse:
            """One observation each for many sessions."""
            answer = await Columns(self.engine).predict(PredictBatchRequest(**fields))
            return PredictBatchResponse.model_validate_json(encode(answer))

        @bentoml.api(route="/forecast", input_spec=ForecastRequest, output_spec=ForecastResponse)  # type: ignore[untyped-decorator]
        async def forecast(self, **fields: Any) -> ForecastResponse:
            """Run free from a context; changes nothing."""
            return await self.engine.forecast(ForecastRequest(**fields))

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def close(self) -> None:
            """A graceful stop loses nothing that the store promises to keep."""
            siblings().close()
            await self.engine.close()

    service = cast(bentoml.Service[Any], Elman)  # the decorator turns the class into a service
    service.add_asgi_middleware(Door, routes=routes, settings=settings)
    if not settings.access_log:  # BentoML writes it, about what comes past it
        service.__class__ = Fronted
    return service


service = create(Settings.from_environment())
