"""Users that each feed a series of their own to the service and compare every answer with the oracle's.

Started by `python -m tests.load.run`, or by hand: `locust -f tests/load/locustfile.py --host URL`.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from itertools import chain
from typing import Any

import gevent
import locust
import torch
from locust import FastHttpUser, events, poisson, task
from locust.argument_parser import LocustArgumentParser
from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment
from locust.runners import WorkerRunner

from models import CheckpointError, load
from service.settings import DEFAULT_CHECKPOINT
from tests.load.oracle import Oracle, Stream
from tests.load.summary import Summary

REQUESTS_PER_SECOND = 10  # of one user
LONGEST_CHUNK = 8
LONGEST_FORECAST = 8

torch.set_num_threads(1)  # the other core is the service's
locust.stats.bucket_response_time = lambda milliseconds: round(milliseconds, 1)  # type: ignore[assignment, return-value]  # its own are whole milliseconds; any number does


class StreamUser(FastHttpUser):
    """One stream: mostly single values, some chunks, and a look ahead now and then."""

    wait_time = poisson(REQUESTS_PER_SECOND)
    streams: Iterator[Stream]
    stream: Stream

    def on_start(self) -> None:
        """Begin a series, whose predictions are all known by now."""
        self.stream = next(self.streams)
        self.wait()  # type: ignore[no-untyped-call]  # unannotated; without it all users would come at once

    @task(8)
    def predict(self) -> None:
        """One value, as it happens."""
        self._predict(1)

    @task(2)
    def predict_chunk(self) -> None:
        """Some values at once."""
        self._predict(random.randint(2, LONGEST_CHUNK), "/predict (chunk)")

    @task(1)
    def forecast(self) -> None:
        """Look ahead, once there is a session."""
        stream, horizon = self.stream, random.randint(1, LONGEST_FORECAST)
        if stream.step == 0:
            self.predict()
            return
        with self._post("/forecast", {"session_id": stream.session_id, "horizon": horizon}) as response:
            self._judge(response, lambda answer: stream.fault_in_forecast(answer, horizon))

    def _predict(self, count: int, name: str | None = None) -> None:
        stream = self.stream
        values = stream.take(count)
        with self._post("/predict", {"session_id": stream.session_id, "values": values}, name) as response:
            self._judge(response, lambda answer: stream.fault_in_prediction(answer, len(values)))
        if stream.exhausted:
            self.stream = next(self.streams)

    def _post(self, path: str, body: Mapping[str, Any], name: str | None = None) -> ResponseContextManager:
        return self.client.post(path, json=body, name=name, catch_response=True)

    def _judge(self, response: ResponseContextManager, find_fault: Callable[[Mapping[str, Any]], str | None]) -> None:
        """Report what is wrong with an answer, and go on with another stream: this one's context is in doubt."""
        if response.status_code == 0:
            fault: str | None = f"no answer: {response.request_meta['exception']}"
        elif response.status_code != HTTPStatus.OK:
            fault = f"refused with {response.status_code}"
        else:
            fault = find_fault(response.json())
        if fault is not None:
            response.failure(fault)  # type: ignore[no-untyped-call]  # unannotated
            self.stream = next(self.streams)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust leaves its events unannotated
def _add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--p99-limit", type=float, metavar="MS", help="fail when the p99 is over this")
    parser.add_argument(
        "--checkpoint",
        env_var="ELMAN_CHECKPOINT",
        default=str(DEFAULT_CHECKPOINT),
        help="what the service is compared with",
    )


@events.init.add_listener  # type: ignore[untyped-decorator]  # as above
def _consult_oracle(environment: Environment, **_: Any) -> None:
    assert environment.parsed_options
    try:
        oracle = Oracle(load(environment.parsed_options.checkpoint))
    except CheckpointError as error:
        raise SystemExit(f"load test: {error}") from None
    streams = oracle.streams()
    StreamUser.streams = chain((next(streams),), streams)  # the first are predicted before the clock starts
    gevent.get_hub().loop.update_now()  # its clock stood still meanwhile, and would end the test that much too soon


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def _conclude(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return  # the master has the sum of all workers
    assert environment.parsed_options
    summary = Summary.of(environment, environment.parsed_options.p99_limit)
    print(summary)
    environment.process_exit_code = 1 if summary.faults else 0
