"""BentoML's own client, unchanged."""

from bentoml import SyncHTTPClient

from tests.conftest import MakeCheckpoint
from tests.server import serving


def test_bentoml_client(make_checkpoint: MakeCheckpoint) -> None:
    with serving(make_checkpoint()) as server, SyncHTTPClient(server.url, server_ready_timeout=10) as client:
        first = client.predict(values=[9.0, None], session_id="s")
        assert (first["step"], len(first["predictions"])) == (2, 2)
        assert client.forecast(horizon=1, session_id="s")["forecast"] == first["predictions"][1:]
