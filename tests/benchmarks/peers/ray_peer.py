"""Ray Serve: a deployment as its documentation writes one, in one replica, which holds the sessions."""

import signal
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from tests.benchmarks.peers.address import address
from tests.benchmarks.peers.stepper import Stepper

QUIET = {"enable_access_log": False}


class Elman:
    """POST predicts, GET says that it is ready."""

    def __init__(self) -> None:
        self.stepper = Stepper()

    async def __call__(self, request: Request) -> dict[str, Any]:
        if request.method == "GET":
            return {"status": "ready"}
        asked = await request.json()
        return {"predictions": self.stepper.step(asked["session_id"], asked["values"])}


if __name__ == "__main__":
    options = address()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": options.host, "port": options.port}, logging_config=QUIET)
    deployment = serve.deployment(num_replicas=1, max_ongoing_requests=1000, logging_config=QUIET)
    serve.run(deployment(Elman).bind())
    try:
        signal.pause()
    except KeyboardInterrupt:
        serve.shutdown()
        ray.shutdown()
