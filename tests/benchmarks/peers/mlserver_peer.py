"""MLServer: a custom runtime as its documentation writes one, in the server's own process, which holds the sessions."""

import asyncio

import uvloop
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from tests.benchmarks.peers.address import address
from tests.benchmarks.peers.stepper import Stepper


class Elman(MLModel):  # type: ignore[misc]  # installed elsewhere
    """The session's id is a parameter of the request."""

    async def load(self) -> bool:
        self.stepper = Stepper()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        values = NumpyCodec.decode_input(payload.inputs[0])
        predictions = self.stepper.step(payload.parameters.session_id, values)
        output = ResponseOutput(name="predictions", shape=[len(predictions)], datatype="FP64", data=predictions)
        return InferenceResponse(model_name=self.name, outputs=[output])


async def serve() -> None:
    """No workers: they would be processes, each with sessions of its own. No access log."""
    options = address()
    settings = Settings(
        host=options.host, http_port=options.port, grpc_port=0, debug=False, parallel_workers=0, metrics_endpoint=None
    )
    await MLServer(settings).start([ModelSettings(name="elman", implementation=Elman)])


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(serve())
