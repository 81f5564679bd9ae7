"""Which Redis a URL names, and the client that goes there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("redis", "rediss", "valkey", "valkeys")
KINDS = ("", "cluster", "sentinel")
PORTS = {"": 6379, "cluster": 6379, "sentinel": 26379}
TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
OPTIONS = (*TLS, "prefix", "sentinel_username", "sentinel_password")

Client = Any
"""redis-py's clients of one server, of a cluster and of what Sentinels watch over: they have no type in common."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL's parts. kind: one of KINDS; name: of what the Sentinels watch over; options: by the names in OPTIONS."""

    kind: str
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    name: str
    db: int
    username: str | None
    password: str | None
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> "Address":
        """`redis://[user:password@]host[:port][/db]`; `redis+cluster://host:port[,host:port…]`;
        `redis+sentinel://host:port[,host:port…]/name[/db]`; with TLS `rediss`.

        Raises:
            ValueError: it is none of these; the text says why and has no secret in it.
        """
        parts = urlsplit(url)
        protocol, _, kind = parts.scheme.partition("+")
        if protocol not in SCHEMES or kind not in KINDS:
            raise ValueError(
                "it is none of memory://, sqlite:///path, redis://…, redis+cluster://…, redis+sentinel://…"
            )
        if parts.fragment or "#" in url:
            raise ValueError("there is a # in it; what is special in a password must be percent-encoded")
        login, _, hosts = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        path = [unquote(part) for part in parts.path.split("/") if part]
        name = path.pop(0) if kind == "sentinel" and path else ""
        if kind == "sentinel" and not name:
            raise ValueError("after the hosts comes /NAME, as the Sentinels call what they watch over")
        if len(path) > (kind != "cluster") or not all(part.isdecimal() for part in path):
            raise ValueError("a cluster has no databases" if kind == "cluster" else "a database is a number")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if options.keys() - set(OPTIONS):
            raise ValueError(f"behind ? come {', '.join(OPTIONS)}; a ? in a password must be percent-encoded")
        tls = protocol in ("rediss", "valkeys")
        for option in TLS:
            if option in options and not tls:
                raise ValueError(f"{option} is for rediss://")
            if option in options and not Path(options[option]).is_file():
                raise ValueError(f"{option}: there is no file {options[option]}")
        if set("{}") & set(options.get("prefix", "")):
            raise ValueError("a prefix has no braces: they say where in a cluster a session is")
        found = tuple(_host(text, PORTS[kind]) for text in hosts.split(","))
        if not kind and len(found) > 1:
            raise ValueError("several hosts are a redis+cluster:// or behind redis+sentinel://")
        db = int(path[0]) if path else 0
        return cls(
            kind,
            tls,
            found,
            name,
            db,
            unquote(username) or None,
            unquote(password) or None,
            options,
        )

    def __str__(self) -> str:
        """Where it is, without secrets."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{self.name} behind {hosts}" if self.name else hosts

    @property
    def prefix(self) -> str:
        """What the name of every key begins with."""
        return self.options.get("prefix", "elman")

    def client(self, seconds: float) -> Client:
        """A client that gives up after so many seconds, and tries nothing a second time by itself: whether a change
        may be sent again is not for it to say.
        """
        from redis.asyncio import Redis, RedisCluster, Sentinel  # 0.15 s that only those wait for who use it
        from redis.asyncio.cluster import ClusterNode
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        once = Retry(NoBackoff(), 0)
        connection: dict[str, Any] = {
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "username": self.username,
            "password": self.password,
            "protocol": 2,
            "driver_info": None,
        }
        if self.tls:
            connection |= {"ssl": True, **{name: self.options[name] for name in TLS if name in self.options}}
        host, port = self.hosts[0]
        if self.kind == "cluster":
            nodes = [ClusterNode(host, port) for host, port in self.hosts]
            return RedisCluster(startup_nodes=nodes, retry=once, **connection)
        if self.kind == "sentinel":
            watching = connection | {
                "username": self.options.get("sentinel_username"),
                "password": self.options.get("sentinel_password"),
                "retry": once,
            }
            sentinel = Sentinel(self.hosts, sentinel_kwargs=watching)  # type: ignore[no-untyped-call]
            return sentinel.master_for(self.name, Redis, db=self.db, retry=once, **connection)
        return Redis(host=host, port=port, db=self.db, retry=once, **connection)

    async def close(self, client: Client) -> None:
        """Close the connections of a client, and those to the Sentinels that led there."""
        await client.aclose()
        if self.kind == "sentinel":
            await client.connection_pool.sentinel_manager.aclose()


def _host(text: str, port: int) -> tuple[str, int]:
    """HOST, HOST:PORT, [IPv6] or [IPv6]:PORT"""
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, number = text, str(port)
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise ValueError("a port is a number up to 65535; what is special in a password must be percent-encoded")
    if not host.strip("[]"):
        raise ValueError("there is no host")
    return host.strip("[]"), int(number)
