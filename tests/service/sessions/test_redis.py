"""Redis as it is on bad days: slow, full, read-only, gone, somebody else's; and what other processes do meanwhile."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.crc import key_slot

from service.errors import StoreUnavailable
from service.sessions import Gone, News, Record, Superseded, Unfit, check_store
from service.sessions.addresses import Address
from service.sessions.redis import RedisStore
from tests.redis_server import RedisServer, redis_cluster, redis_sentinel, redis_server, speaks_tls
from tests.server import HOST, free_port, wait_until
from tests.service.sessions.test_stores import LIMITS, Clock, record

SECONDS = 0.5  # a store's patience
RECOVERY_SECONDS = 20

needs_tls = pytest.mark.skipif(not speaks_tls(), reason="needs a Redis built with TLS, and openssl")

KEYS = ["a", "é/1", "{a}", "}a", "a:gone", "100%", "*", "[a]", "a b", "\\"]


@asynccontextmanager
async def opened(url: str, seconds: float = SECONDS, **limits: Any) -> AsyncIterator[RedisStore]:
    store = RedisStore(Address.parse(url), replace(LIMITS, **limits), seconds)
    try:
        yield store
    finally:
        await store.close()


def now(step: int = 1) -> Record:
    """A record that was used just now."""
    clock = Clock()
    clock.now = time.time()
    return record(clock, step)


async def step_of(store: RedisStore, key: str = "a") -> int:
    found = await store.get(key)
    assert isinstance(found, Record)
    return found.step


async def put(store: RedisStore, key: str = "a", step: int = 1) -> None:
    await store.commit(key, now(step), await store.find(key))


async def put_all(store: RedisStore, keys: list[str], step: int) -> None:
    await asyncio.gather(*(put(store, key, step) for key in keys))


def check(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            await store.check()

    asyncio.run(run())


async def recovers(act: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """It works again without anybody doing anything about it."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            await act()
            return
        except StoreUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def test_who_is_slower_is_told_and_changes_nothing(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url) as one, opened(redis.url) as other:
            for step in (1, 2):
                seen = await one.find("a")
                await put(other, step=step)
                with pytest.raises(Superseded):
                    await one.commit("a", now(9), seen)
                assert await step_of(one) == step
            seen = await one.find("a")
            await other.delete("a")
            with pytest.raises(Superseded):
                await one.commit("a", now(9), seen)
            assert isinstance(await one.get("a"), Gone)

    asyncio.run(run())


def test_of_many_who_change_the_same_at_once_one_wins_each_time(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url, 5) as one, opened(redis.url, 5) as other:
            await put(one)
            stores, outcomes = [one, other] * 10, []
            for _ in range(5):
                seen = await asyncio.gather(*(store.find("a") for store in stores))
                tries = (store.commit("a", now(1), found) for store, found in zip(stores, seen, strict=True))
                outcomes.append(await asyncio.gather(*tries, return_exceptions=True))
            assert [[type(outcome) for outcome in some].count(Superseded) for some in outcomes] == [19] * 5

    asyncio.run(run())


def test_any_id_has_keys_of_its_own_in_one_slot(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url) as store:
            for step, key in enumerate(KEYS, 1):
                before = set(redis.ask("KEYS", "*"))
                await put(store, key, step)
                assert await store.wire.ask([key]) == {key}
                names = set(redis.ask("KEYS", "*")) - before
                assert (len(names), len({key_slot(name) for name in names})) == (3, 1)
            assert [await step_of(store, key) for key in KEYS] == [*range(1, len(KEYS) + 1)]
            assert [key for key, _ in await store.page("", "", 100)] == sorted(KEYS)
            assert [key for key, _ in await store.page("[", "", 100)] == ["[a]"]

    asyncio.run(run())


class Ear:
    """Hears what is kept of all sessions."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Record | Gone, News]] = []

    def wants(self, key: str) -> bool:
        return True

    def heard(self, key: str, found: Record | Gone, news: News) -> None:
        self.found.append((key, found, news))

    def missed(self) -> None:
        raise AssertionError


def test_who_asks_hears_what_is_kept_under_any_id(redis: RedisServer) -> None:
    async def run() -> None:
        async with (
            opened(redis.url) as here,
            opened(redis.url) as there,
            opened(f"{redis.url}/1") as elsewhere,
        ):
            elsewhere.wire.audience = Ear()
            await elsewhere.wire.ask(KEYS)
            here.wire.audience = ear = Ear()
            assert await here.wire.ask(KEYS) == set(KEYS)
            assert await here.wire.ask([*KEYS, "z"]) == {"z"}
            news = [News(f"{key} of somebody", np.array([[step], [np.nan]])) for step, key in enumerate(KEYS, 1)]
            for step, (key, what) in enumerate(zip(KEYS, news, strict=True), 1):
                await there.commit(key, now(step), None, what)
                await elsewhere.commit(key, now(), None, what)
                await there.commit("unasked", now(), await there.find("unasked"), what)
                assert not what.told
            mine, again = News("a"), News("a")
            await here.commit("a", now(9), await here.find("a"), mine)
            await here.delete("a", again)
            assert (mine.told, again.told) == (True, True)
            async with asyncio.timeout(5):
                while len(ear.found) < len(KEYS) + 2:
                    await asyncio.sleep(0.01)
            for (key, found, told), expected, step, what in zip(ear.found, KEYS, range(1, 99), news, strict=False):
                assert isinstance(found, Record)
                assert (key, found.step, told.session_id) == (expected, step, what.session_id)
                np.testing.assert_equal(told.values, what.values)
            (_, placed, first), (_, gone, second) = ear.found[-2:]
            assert isinstance(placed, Record)
            assert (placed.step, first.values, gone, second.values) == (9, None, await there.get("a"), None)

    asyncio.run(run())


def test_services_with_other_prefixes_see_nothing_of_each_other(redis: RedisServer) -> None:
    async def run() -> None:
        async with (
            opened(redis.url) as one,
            opened(f"{redis.url}?prefix=two") as two,
            opened(f"{redis.url}/1") as three,
        ):
            await put(one)
            assert [await other.get("a") for other in (two, three)] == [None, None]
            assert await two.page("", "", 100) == []

    asyncio.run(run())


def test_redis_itself_lets_go_of_what_is_over(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url, idle_seconds=0.2, gone_seconds=2) as store:
            await put(store)
            assert await step_of(store) == 1
            expected = await store.get("a")
            assert isinstance(expected, Record)
            while redis.ask("EXISTS", "elman:{a}"):
                await asyncio.sleep(0.05)
            gone = await store.get("a")
            assert gone == Gone("expired", expected.used_at + 0.2)
            while redis.ask("EXISTS", "elman:{a}:gone"):
                await asyncio.sleep(0.05)
            assert await store.get("a") is None
            assert time.time() >= gone.at + 2

    asyncio.run(run())


def test_a_record_that_somebody_took_away_is_not_begun_anew_in_silence(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url) as store:
            await put(store)
            redis.ask("DEL", "elman:{a}")
            gone = await store.get("a")
            assert isinstance(gone, Gone)
            assert (gone.reason, gone.at <= time.time()) == ("expired", True)

    asyncio.run(run())


@pytest.mark.parametrize("written", [b"", b"x" * 16, b"x" * 16 + b"\xff" * 200, b"x" * 16 + b"\x02" * 30])
def test_a_record_that_cannot_be_read_is_left_and_said(redis: RedisServer, written: bytes) -> None:
    async def run() -> None:
        async with opened(redis.url) as store:
            redis.ask("SET", "elman:{a}", written)
            with pytest.raises(StoreUnavailable, match="session 'a' cannot be read"):
                await store.find("a")
            assert redis.ask("GET", "elman:{a}") == written

    asyncio.run(run())


def test_scripts_that_redis_forgot_are_loaded_again(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url) as store:
            await put(store)
            redis.ask("SCRIPT", "FLUSH")
            await asyncio.gather(*(put(store, key, 2) for key in "abc"))
            assert await step_of(store) == 2

    asyncio.run(run())


def test_while_it_is_down_it_is_said_at_once_and_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    async def run(server: RedisServer) -> None:
        async with opened(server.url) as store:
            await put(store)
            server.end(signal.SIGKILL)
            for _ in range(2):
                for act in (store.get("a"), store.commit("b", now()), store.delete("a"), store.page("", "", 9)):
                    with pytest.raises(StoreUnavailable, match="cannot be reached"):
                        await act
                with pytest.raises(StoreUnavailable, match="cannot be reached"):
                    await store.check()
            server.start()
            await recovers(store.check)
            assert (await step_of(store), await store.get("b")) == (1, None)

    with redis_server(appendonly="yes") as server:
        asyncio.run(run(server))
    said = [entry.message for entry in caplog.records if entry.name == "elman"]
    assert [text.split(f"{HOST}:{server.port}")[1][:8] for text in said] == [" fails: ", " answers"]


def test_while_it_hangs_everybody_is_told_in_time_and_finds_out_later() -> None:
    async def run(server: RedisServer) -> None:
        async with opened(server.url) as store:
            await put(store)
            found = await store.find("a")
            server.freeze()
            started = time.monotonic()
            acts = [store.commit("a", now(2), found), *(store.get(str(number)) for number in range(3000))]
            outcomes = await asyncio.gather(*acts, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
            assert all("did not answer within 0.5 s" in str(outcome) for outcome in outcomes)
            assert time.monotonic() - started < 10 * SECONDS
            server.thaw()
            await recovers(store.check)
            assert await step_of(store) in (1, 2)
            found = await store.find("a")
            await store.commit("a", now(3), found)
            assert await step_of(store) == 3

    with redis_server() as server:
        asyncio.run(run(server))


def test_an_answer_that_nobody_waits_for_is_not_taken_for_another(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url) as store:
            for step, key in enumerate("abcdefgh", 1):
                await put(store, key, step)
            for moments in range(12):
                leaving = [asyncio.ensure_future(store.get(key)) for key in "abcdefgh"]
                for _ in range(moments):
                    await asyncio.sleep(0)
                for task in leaving[::2]:
                    task.cancel()
                steps = [await step_of(store, key) for key in "hgfedcba"]
                assert steps == [8, 7, 6, 5, 4, 3, 2, 1]
                stayed = await asyncio.gather(*leaving[1::2])
                assert [found.step for found in stayed if isinstance(found, Record)] == [2, 4, 6, 8]

    asyncio.run(run())


def test_out_of_memory_it_refuses_and_keeps_what_it_has() -> None:
    async def run(server: RedisServer) -> None:
        async with opened(server.url) as store:
            await put(store)
            found = await store.find("a")
            server.ask("CONFIG", "SET", "maxmemory", 1)
            for act in (store.commit("a", now(2), found), store.commit("b", now()), store.check()):
                with pytest.raises(StoreUnavailable, match=r"refuses: .*maxmemory"):
                    await act
            assert (await step_of(store), await store.get("b")) == (1, None)
            server.ask("CONFIG", "SET", "maxmemory", 0)
            await store.commit("a", now(2), found)
            await store.check()

    with redis_server() as server:
        asyncio.run(run(server))


def test_read_only_it_refuses_until_it_may_be_written_to_again() -> None:
    async def run(server: RedisServer) -> None:
        async with opened(server.url) as store:
            await put(store)
            found = await store.find("a")
            server.ask("REPLICAOF", HOST, free_port())
            for act in (store.commit("a", now(2), found), store.check()):
                with pytest.raises(StoreUnavailable, match="read only replica"):
                    await act
            server.ask("REPLICAOF", "NO", "ONE")
            await store.commit("a", now(2), found)
            await store.check()

    with redis_server() as server:
        asyncio.run(run(server))


@pytest.mark.parametrize("forbidden", ["mget", "getrange", "set", "del", "evalsha"])
def test_a_user_that_may_not_do_all_is_seen_before_any_request(forbidden: str) -> None:
    with redis_server() as server:
        check_store(server.url)
        server.ask("ACL", "SETUSER", "default", f"-{forbidden}")
        with pytest.raises(StoreUnavailable, match=r"(?i)refuses|does not let"):
            check(server.url)


def test_a_user_that_may_not_see_the_policy_is_let_be() -> None:
    with redis_server() as server:
        server.ask("ACL", "SETUSER", "default", "-info")
        check(server.url)


def test_an_outage_is_two_lines_in_the_log_however_many_requests_it_costs(caplog: pytest.LogCaptureFixture) -> None:
    async def run(server: RedisServer) -> None:
        async with opened(server.url) as store:
            await put(store)
            server.ask("CONFIG", "SET", "maxmemory", 1)
            for _ in range(10):
                found = await store.find("a")
                with pytest.raises(StoreUnavailable):
                    await store.commit("a", now(2), found)
            server.ask("CONFIG", "SET", "maxmemory", 0)
            for step in range(2, 5):
                await put(store, step=step)

    with redis_server() as server:
        asyncio.run(run(server))
    assert len(caplog.records) == 2


def test_it_closes_soon_though_redis_hangs() -> None:
    async def run(server: RedisServer) -> float:
        async with opened(server.url, 30) as store:
            await put(store)
            server.freeze()
            asking = asyncio.ensure_future(store.get("a"))
            await asyncio.sleep(0.05)
            asking.cancel()
            started = time.monotonic()
        return time.monotonic() - started

    with redis_server() as server:
        assert asyncio.run(run(server)) < 10


def test_a_session_that_cannot_be_read_is_left_out_of_the_list(redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis.url) as store:
            await put(store, "a")
            redis.ask("SET", "elman:{b}", b"x" * 16 + b"\xff" * 50)
            await put(store, "c")
            redis.ask("SET", "elman:{d}:gone", "nonsense")
            assert [key for key, _ in await store.page("", "", 9)] == ["a", "c"]
            with pytest.raises(StoreUnavailable, match="what is remembered of session 'd' cannot be read"):
                await store.find("d")

    asyncio.run(run())


def test_one_that_drops_live_keys_is_no_store() -> None:
    with redis_server(maxmemory_policy="volatile-lru") as server:
        with pytest.raises(Unfit, match="its maxmemory-policy is volatile-lru; set noeviction"):
            check_store(server.url)
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        check_store(server.url)


def test_without_the_password_nobody_gets_in_and_it_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server(requirepass="hunter2") as server:
        where = f"{HOST}:{server.port}"
        for login in ("", ":hunter3@"):
            with pytest.raises(Unfit, match="does not let this service in") as refused:
                check_store(f"redis://{login}{where}")
            assert "hunter" not in str(refused.value)
        check_store(f"redis://:hunter2@{where}")
        check_store(f"redis://default:hunter2@{where}")
    assert "hunter" not in caplog.text


def test_one_that_is_not_there_yet_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    check_store(f"redis://:hunter2@{HOST}:{port}")
    assert "not ready until this changes: the session store cannot be reached" in caplog.text
    assert "hunter" not in caplog.text


@needs_tls
def test_with_tls_both_sides_know_whom_they_talk_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    files = {"tls_key_file": str(key), "tls_cert_file": str(certificate), "tls_ca_cert_file": str(certificate)}
    ours = f"ssl_certfile={certificate}&ssl_keyfile={key}"
    with redis_server(tls_port=str(port), **files):
        check_store(f"rediss://localhost:{port}?ssl_ca_certs={certificate}&{ours}")
        assert not caplog.records
        for url, reason in (
            (f"rediss://localhost:{port}?{ours}", "CERTIFICATE_VERIFY_FAILED"),
            (f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}&{ours}", "CERTIFICATE_VERIFY_FAILED"),
            (f"rediss://localhost:{port}?ssl_ca_certs={certificate}", "cannot be reached"),
            (f"redis://localhost:{port}", "cannot be reached"),
        ):
            caplog.clear()
            check_store(url)
            assert reason in caplog.records[-1].message


def test_sentinels_lead_to_the_new_primary() -> None:
    async def run(url: str, primary: RedisServer) -> None:
        async with opened(url) as store:
            await put(store)
            wait_until(primary.is_replicated)
            primary.end(signal.SIGKILL)
            with pytest.raises(StoreUnavailable):
                await store.get("a")
            await recovers(lambda: put(store, "b", 2))
            assert (await step_of(store), await step_of(store, "b")) == (1, 2)
            await store.check()

    with redis_server() as primary, redis_server(replicaof=f"{HOST} {primary.port}"), redis_sentinel(primary) as port:
        asyncio.run(run(f"redis+sentinel://{HOST}:{port}/sessions", primary))


def test_a_cluster_goes_on_with_a_replica() -> None:
    async def run(nodes: list[RedisServer]) -> None:
        url = "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in nodes)
        async with opened(url) as store:
            keys = [f"session-{number}" for number in range(30)]
            for key in keys:
                await put(store, key)
            wait_until(nodes[0].is_replicated)
            nodes[0].end(signal.SIGKILL)
            await recovers(lambda: put_all(store, keys, 2))
            assert [await step_of(store, key) for key in keys] == [2] * len(keys)
            assert len(await store.page("", "", 100)) == len(keys)

    with redis_cluster(replicas=1) as nodes:
        asyncio.run(run(nodes))


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "name", "db", "login"),
    [
        ("redis://localhost", "", (("localhost", 6379),), "", 0, (None, None)),
        ("rediss://ann:a%40b@[::1]:7000/3", "", (("::1", 7000),), "", 3, ("ann", "a@b")),
        ("valkey://:p@host", "", (("host", 6379),), "", 0, (None, "p")),
        ("redis+cluster://a:1,b:2,c", "cluster", (("a", 1), ("b", 2), ("c", 6379)), "", 0, (None, None)),
        ("rediss+sentinel://u:p@a,b:1/main/2", "sentinel", (("a", 26379), ("b", 1)), "main", 2, ("u", "p")),
    ],
)
def test_a_url_names_its_parts(
    url: str, kind: str, hosts: Any, name: str, db: int, login: tuple[str | None, str | None]
) -> None:
    address = Address.parse(url)
    assert (address.kind, address.hosts, address.name, address.db) == (kind, hosts, name, db)
    assert ((address.username, address.password), address.tls) == (login, url.startswith("rediss"))
    assert "p@" not in str(address)
