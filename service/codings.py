"""Bodies that are compressed, as HTTP's content codings gzip and deflate say (RFC 9110, section 8.4.1)."""

import zlib

from service.errors import InvalidRequest, TooLarge, UnsupportedMediaType

WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""zlib's wbits: with the head and tail of a gzip member, or of a zlib stream."""

SMALL = 4096
"""Bytes that are not worth compressing."""

_QUICK = 1
_NOT_WANTED = (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")


def inflated(body: bytes, coding: bytes, limit: int) -> bytes:
    """The body as it was, never more than the limit of it.

    Raises:
        UnsupportedMediaType: the coding is another.
        TooLarge: it is over the limit.
        InvalidRequest: it is damaged, or something follows it.
    """
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return body
    if coding not in WINDOWS:
        raise UnsupportedMediaType("content-encoding: gzip, deflate, or none")
    stream = zlib.decompressobj(WINDOWS[coding])
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error:
        raise InvalidRequest("the body is not compressed as its content-encoding says") from None
    if len(plain) > limit:
        raise TooLarge(f"the body is over the limit of {limit} bytes when it is inflated; send fewer values at a time")
    if not stream.eof or stream.unused_data:
        raise InvalidRequest("the compressed body is cut off, or something follows it")
    return plain


def deflated(payload: bytes, accepted: bytes) -> tuple[bytes, bytes | None]:
    """The payload under the first coding that is accepted, and which that is; None: as it is."""
    for item in accepted.lower().split(b","):
        coding, *parameters = (part.strip() for part in item.split(b";"))
        if coding in WINDOWS and not any(parameter in _NOT_WANTED for parameter in parameters):
            stream = zlib.compressobj(_QUICK, wbits=WINDOWS[coding])
            return stream.compress(payload) + stream.flush(), coding
    return payload, None
