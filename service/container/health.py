"""The image's health check: exit code 0 if GET /livez, or the path that follows, is answered with 200.

A container is not made well by a restart because its store is away, so it does not ask /readyz.
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

PORT = "3000"
TIMEOUT_SECONDS = 2


def main() -> None:
    """Ask once."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/livez"
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("BENTOML_PORT", PORT)), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"GET {path}: {error}")
    if status != HTTPStatus.OK:
        sys.exit(f"GET {path}: {status}")


if __name__ == "__main__":
    main()
