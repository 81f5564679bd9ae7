"""Who may use the service, and whose sessions are whose."""

import hashlib
import hmac
from collections.abc import Sequence

from service.errors import Unauthorized
from service.settings import HASHED

OWNER_DIGITS = 16


class Access:
    """API keys, held as SHA-256 only. Without keys everybody may, and all share one set of sessions."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    @property
    def open(self) -> bool:
        """No key is asked for."""
        return not self._digests

    def owner(self, authorization: str | None) -> str:
        """Whose request this is: "" without keys, else the start of its key's hash; it prefixes every session's key.

        Every key is compared, each in constant time, so that the time tells nothing about any of them.

        Raises:
            Unauthorized: no key, or none of ours.
        """
        if not self._digests:
            return ""
        scheme, _, key = (authorization or "").partition(" ")
        presented = hashlib.sha256(key.strip().encode()).hexdigest()
        matches = [digest for digest in self._digests if hmac.compare_digest(digest, presented)]
        if scheme.lower() != "bearer" or not matches:
            raise Unauthorized("an API key is needed: send the header authorization: Bearer KEY")
        return matches[0][:OWNER_DIGITS]


def _digest(key: str) -> str:
    return key.removeprefix(HASHED) if key.startswith(HASHED) else hashlib.sha256(key.encode()).hexdigest()
