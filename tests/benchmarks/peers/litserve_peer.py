"""LitServe: a LitAPI as its documentation writes one, in one worker, which holds the sessions."""

from typing import Any

import litserve

from tests.benchmarks.peers.address import address
from tests.benchmarks.peers.stepper import Stepper


class Elman(litserve.LitAPI):  # type: ignore[misc]  # installed elsewhere
    """Decode, predict, encode."""

    def setup(self, device: str) -> None:
        self.stepper = Stepper()

    def decode_request(self, request: dict[str, Any]) -> tuple[str, list[float]]:
        return request["session_id"], request["values"]

    def predict(self, x: tuple[str, list[float]]) -> list[float]:
        return self.stepper.step(*x)

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        return {"predictions": output}


if __name__ == "__main__":
    options = address()
    server = litserve.LitServer(Elman(), accelerator="cpu", workers_per_device=1)
    server.run(host=options.host, port=options.port, generate_client_file=False, log_level="warning", access_log=False)
