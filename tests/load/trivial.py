"""`python -m tests.load.trivial --host H --port P`: a server that answers every request with the same bytes, at once.

What a generator of load reaches here is its own limit.
"""

import asyncio
import sys
from argparse import ArgumentParser
from typing import cast

import uvloop

BODY = b'{"predictions":[69.501757],"lower":[33.660091],"upper":[132.687189],"anomaly":[0.320535],"step":1}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Same(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one in all but its bases

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._got += data
        while END in self._got:
            head, _, rest = self._got.partition(END)
            _, found, value = head.lower().partition(LENGTH)
            length = int(value.partition(b"\r\n")[0]) if found else 0
            if len(rest) < length:
                return
            self._got = rest[length:]
            self._transport.write(ANSWER)


async def serve(host: str, port: int) -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(Same, host, port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    options = parser.parse_args()
    sys.exit(uvloop.run(serve(options.host, options.port)))
