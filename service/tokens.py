"""A context in the client's hands: signed, so that it can be trusted when it comes back; not encrypted.

A token is base64url, without padding, of: version (1 byte), id of the key (4), model (16), step (8), expiry (8, seconds
since 1970), context (float32 each), all little-endian; and HMAC-SHA256 over all of that (32).
"""

import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from models.predictor import Context
from service.errors import InvalidToken

VERSION = 1
KEY_ID_BYTES = 4
MAX_CHARACTERS = 400_000
_HEAD = struct.Struct(f"<B{KEY_ID_BYTES}s16sQQ")
_MAC_BYTES = 32

logger = logging.getLogger("elman")


def share_random_key() -> None:
    """Have all workers that this process starts sign with the same key, though nobody chose one."""
    os.environ["ELMAN_TOKEN_KEY"] = secrets.token_hex(32)
    logger.warning("no ELMAN_TOKEN_KEY is set: tokens are valid until these workers end")


@dataclass(frozen=True, slots=True)
class Token:
    """model: the first 16 bytes of the fingerprint; context: (1, C) float32; step: observations it has seen."""

    model: bytes
    context: Context
    step: int


class Tokens:
    """Signs with the first key, and accepts the others too, so that keys can be rotated.

    Without a key a random one is made, and said so: tokens then end with this process.
    """

    def __init__(self, keys: Sequence[str], seconds: float, clock: Callable[[], float] = time.time) -> None:
        if not keys:
            keys = (secrets.token_hex(32),)
            logger.warning("no ELMAN_TOKEN_KEY is set: tokens are valid until this process ends")
        secret = [key.encode() for key in keys]
        self._keys = {hashlib.sha256(key).digest()[:KEY_ID_BYTES]: key for key in reversed(secret)}
        self._signing = hashlib.sha256(secret[0]).digest()[:KEY_ID_BYTES]
        self._seconds = seconds
        self._clock = clock

    def issue(self, token: Token) -> str:
        """Sign a context, for as long as the settings say from now."""
        expires = ceil(self._clock() + self._seconds)
        payload = _HEAD.pack(VERSION, self._signing, token.model, token.step, expires) + token.context.tobytes()
        signed = payload + hmac.digest(self._keys[self._signing], payload, "sha256")
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def read(self, text: str) -> Token:
        """Check a token and open it.

        Raises:
            InvalidToken: with the reason.
        """
        if len(text) > MAX_CHARACTERS:
            raise InvalidToken(f"the token is oversized: more than {MAX_CHARACTERS} characters")
        try:
            signed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise InvalidToken("the token is garbled: it is not base64url") from None
        if signed and signed[0] != VERSION:
            raise InvalidToken(f"the token is of version {signed[0]}; this service reads version {VERSION}")
        payload, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        if len(payload) < _HEAD.size or (len(payload) - _HEAD.size) % 4:
            raise InvalidToken("the token is garbled: it has no length of a token")
        _, key_id, model, step, expires = _HEAD.unpack_from(payload)
        key = self._keys.get(key_id)
        if key is None:
            raise InvalidToken("the token is foreign: no key of this service signed it")
        if not hmac.compare_digest(hmac.digest(key, payload, "sha256"), mac):
            raise InvalidToken("the token was tampered with: its signature does not match")
        if base64.urlsafe_b64encode(signed).rstrip(b"=").decode() != text:
            raise InvalidToken("the token was tampered with: it is not spelled as it was issued")
        if expires < self._clock():
            raise InvalidToken("the token has expired")
        context = np.frombuffer(payload, "<f4", offset=_HEAD.size).reshape(1, -1).copy()
        return Token(model, context, step)
