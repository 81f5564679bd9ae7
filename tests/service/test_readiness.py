import asyncio
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.errors import StoreUnavailable, WorkerMissing
from service.readiness import Readiness
from service.sessions import MemoryStore
from service.siblings import Siblings
from tests.service.conftest import MakeClient
from tests.service.sessions.test_stores import LIMITS

PAGE_BYTES = 4096
ALONE = Siblings(1, 1, Path())


class Broken(MemoryStore):
    async def check(self) -> None:
        raise StoreUnavailable("the session store is read-only")


class Stuck(MemoryStore):
    async def check(self) -> None:
        await asyncio.Event().wait()


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def check_unready(client: TestClient, code: str, message: str) -> None:
    """Both probes say why, each in its own shape; whoever asks for the head only gets that."""
    native, protocol, head = client.get("/readyz"), client.get("/v2/health/ready"), client.head("/readyz")
    assert {response.status_code for response in (native, protocol, head)} == {503}
    assert native.json()["error"] == code
    assert message in native.json()["message"]
    assert protocol.json()["error"].startswith(f"{code}: ")
    assert message in protocol.json()["error"]
    assert head.content == b""
    assert int(native.headers["retry-after"]) >= 1
    assert client.get("/livez").status_code == 200


def test_a_file_that_cannot_be_written_and_can_again_without_any_request(
    make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(session_store=f"sqlite:///{tmp_path}/sessions.db")
    with no_file_may_grow():
        assert client.get("/readyz").status_code == 200  # nobody knows yet
        assert client.post("/predict", json={"session_id": "s", "values": [1]}).status_code == 503
        check_unready(client, "store_unavailable", "could not commit")
    for path in ("/readyz", "/v2/health/ready"):
        assert client.get(path).status_code == 200
    assert client.get("/sessions").json()["sessions"] == []


def test_probes_answer_in_their_own_words(make_client: MakeClient) -> None:
    client = make_client(api_keys="secret-of-somebody")
    native, head = client.get("/readyz"), client.head("/readyz")
    assert (native.status_code, native.text, native.headers["content-type"]) == (200, "\n", "text/plain; charset=utf-8")
    assert (head.status_code, head.content) == (200, b"")
    assert client.get("/v2/health/ready").json() == {"ready": True, "live": True}
    assert client.post("/readyz").json()["error"] == "method_not_allowed"


def test_all_that_is_wrong_is_said(tmp_path: Path) -> None:
    async def check() -> None:
        with closing(Siblings(1, 2, tmp_path)) as one_of_two, closing(Siblings(4, 5, tmp_path)) as one_of_five:
            with pytest.raises(WorkerMissing, match=r"^workers 1, 2, 3, 5 of 5 do not answer$"):
                await Readiness(MemoryStore(LIMITS), one_of_five, 5).check()
            with pytest.raises(WorkerMissing, match=r"^worker 2 of 2 does not answer$"):
                await Readiness(MemoryStore(LIMITS), one_of_two, 5).check()
            with pytest.raises(
                StoreUnavailable, match=r"^the session store is read-only; worker 2 of 2 does not answer$"
            ):
                await Readiness(Broken(LIMITS), one_of_two, 5).check()

    asyncio.run(check())


def test_a_store_that_does_not_answer_holds_up_nobody() -> None:
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.05 s"):
        asyncio.run(Readiness(Stuck(LIMITS), ALONE, 0.05).check())


def test_a_missing_worker_fails_both_probes(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def missing(_: Siblings) -> list[int]:
        return [1]

    client = make_client()
    monkeypatch.setattr(Siblings, "missing", missing)
    check_unready(client, "worker_missing", "worker 1 of 1 does not answer")
