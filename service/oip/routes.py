"""What each route below `/v2` does with a request: decode, call, encode."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from models.predictor import NUMBERS
from service.codec import encode
from service.engine import Engine, Part, Prediction
from service.errors import InvalidRequest, NotFound
from service.oip.codec import Asked, Tensor, decode, encode_answer, head_of
from service.oip.description import BOUNDS, FORECAST, NAME, PREDICTION, Description
from service.oip.schemas import IndexRequest
from service.paths import MODEL, VERSION
from service.readiness import Readiness
from service.routes import JSON, Reply, Request, Route
from service.settings import Settings
from service.siblings import Siblings
from service.statistics import Inferences, total

BINARY = b"application/octet-stream"
HEAD = b"inference-header-content-length"
COLUMNS = dict(zip((PREDICTION, *BOUNDS), NUMBERS, strict=False))
"""Where the engine's answer has an output."""


class Protocol:
    """Every route of the protocol by path and method; `{version}` stands for a name of the version that is served."""

    def __init__(self, engine: Engine, settings: Settings, siblings: Siblings, readiness: Readiness) -> None:
        self._engine = engine
        self._siblings = siblings
        self._readiness = readiness
        self._about = about = Description(engine.model.describe(), engine.rows.shape.bounded)
        self._versions = ("", about.version, about.number)
        self._targets = about.targets
        self._usual = {
            (ahead, binary): [(name, binary) for name in (*about.outputs, *(about.forecasts if ahead else ()))]
            for ahead in (False, True)
            for binary in (False, True)
        }
        self._inferences = Inferences()
        ready = {"name": NAME, "ready": True}
        of_model = {
            "": {"GET": self._saying(about.metadata())},
            "/ready": {"GET": self._saying(ready)},
            "/config": {"GET": self._saying(about.configuration(settings))},
            "/stats": {"GET": Route(self.statistics)},
            "/infer": {"POST": Route(self.infer, coded=True)},
        }
        self.table: Mapping[str, Mapping[str, Route]] = {
            "/v2": {"GET": self._saying(about.server(), public=True)},
            "/v2/health/live": {"GET": self._saying({"live": True}, public=True)},
            "/v2/health/ready": {"GET": Route(self.ready, public=True)},
            "/v2/models/stats": {"GET": Route(self.statistics)},
            "/v2/repository/index": {"POST": Route(self.index)},
            **{base + rest: methods for base in (MODEL, VERSION) for rest, methods in of_model.items()},
        }

    async def infer(self, request: Request) -> Reply:
        """POST /v2/models/elman/infer"""
        self._check(request.name)
        started = time.perf_counter()
        try:
            asked, values = decode(request.body, head_of(request.headers.get(HEAD)), self._about.features)
            wanted = self._wanted(asked)
            decoded = time.perf_counter()
            part = Part(asked.start, asked.end, asked.horizon)
            prediction = await self._engine.infer(
                values, asked.session_id, asked.step, asked.level, part, request.owner
            )
            computed = time.perf_counter()
            payload, head = encode_answer(_head(asked.id, prediction), self._tensors(wanted, prediction))
        except BaseException:
            self._inferences.fail.add(time.perf_counter() - started)
            raise
        self._count(prediction, decoded - started, computed - decoded, time.perf_counter() - computed)
        if head is None:
            return Reply(payload)
        return Reply(payload, media_type=BINARY, headers=[(HEAD, b"%d" % head)])

    async def statistics(self, request: Request) -> Reply:
        """GET /v2/models/elman/stats"""
        self._check(request.name)
        workers = [numbers["statistics"] for numbers in await self._siblings.numbers()]
        return Reply(encode({"model_stats": [total(workers)]}))

    def counted(self) -> dict[str, Any]:
        """What this worker has counted, as the statistics extension has it."""
        executions = self._engine.stepping.executions
        return {
            "name": NAME,
            "version": self._about.number,
            "last_inference": round(self._inferences.last * 1000),
            "inference_count": executions.inferences,
            "execution_count": executions.count,
            "inference_stats": self._inferences.json(),
            "batch_stats": list(executions.json()),
        }

    async def ready(self, _: Request) -> Reply:
        """GET /v2/health/ready"""
        await self._readiness.check()
        return Reply(orjson.dumps({"ready": True, "live": True}))

    async def index(self, request: Request) -> Reply:
        """POST /v2/repository/index"""
        if request.body:
            IndexRequest.model_validate_json(request.body)
        return Reply(orjson.dumps(self._about.index()))

    def _wanted(self, asked: Asked) -> Sequence[tuple[str, bool]]:
        """Names of outputs, and whether they are sent as binary data."""
        if not asked.outputs:
            return self._usual[asked.horizon > 0, asked.binary]
        known = [name for name, _ in self._usual[True, asked.binary]]
        if not {name for name, _ in asked.outputs} <= set(known):
            raise InvalidRequest(f"outputs: there are only {', '.join(known)}")
        if len(dict(asked.outputs)) < len(asked.outputs):
            raise InvalidRequest("outputs: each can be asked for once")
        return [(name, asked.binary if said is None else said) for name, said in asked.outputs]

    def _tensors(self, wanted: Sequence[tuple[str, bool]], prediction: Prediction) -> Iterator[Tensor]:
        """What was wanted, as far as it is there: a forecast that no horizon asks for has no steps."""
        for name, binary in wanted:
            numbers: Any = prediction.answer.get(COLUMNS[name]) if name in COLUMNS else _ahead(prediction, name)
            if numbers is not None:
                yield Tensor(name, (len(numbers), self._targets), numbers, binary)

    def _count(self, prediction: Prediction, decoding: float, answering: float, encoding: float) -> None:
        timing, counted = prediction.timing, self._inferences
        self._engine.metrics.time(timing.queue, timing.compute, timing.store)
        counted.last = time.time()
        counted.success.add(decoding + answering + encoding)
        if prediction.replayed:
            counted.queue.add(timing.queue)
            counted.hit.add(answering - timing.queue)
            return
        counted.queue.add(max(0.0, answering - timing.compute - timing.store))  # for its turn, and to be computed
        counted.input.add(decoding)
        counted.infer.add(timing.compute)
        counted.output.add(encoding)

    def _saying(self, message: dict[str, Any], *, public: bool = False) -> Route:
        """A route that always answers the same."""
        payload = orjson.dumps(message)

        async def say(request: Request) -> Reply:
            self._check(request.name)
            return Reply(payload, media_type=JSON)

        return Route(say, public=public)

    def _check(self, version: str) -> None:
        if version not in self._versions:
            raise NotFound(f"there is no such version of {NAME} here; {self._about.version} is served")


def _head(request_id: str | None, prediction: Prediction) -> dict[str, Any]:
    """An answer without its tensors."""
    answer = prediction.answer
    parameters = {"step": answer["step"], "replayed": prediction.replayed}
    if "alarm" in answer:
        parameters["alarm_start_step"] = answer["alarm"]["start_step"]
    if "rebuilt_steps" in answer:
        parameters["rebuilt_steps"] = answer["rebuilt_steps"]
    head = {"model_name": NAME, "model_version": answer["model"], "parameters": parameters}
    return head if request_id is None else {"id": request_id, **head}


def _ahead(prediction: Prediction, name: str) -> Any:
    """A part of the forecast."""
    if prediction.forecast is None:
        return ()
    part = getattr(prediction.forecast, "path" if name == FORECAST else name.removeprefix(f"{FORECAST}_"))
    return None if part is None else part[0]
