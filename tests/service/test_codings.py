import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.codings import deflated, inflated
from service.errors import InvalidRequest, TooLarge, UnsupportedMediaType

LIMIT = 1000


@given(st.binary(max_size=LIMIT), st.sampled_from([b"gzip", b"deflate", b"x-gzip"]))
def test_there_and_back(body: bytes, coding: bytes) -> None:
    compressed, used = deflated(body, coding)
    assert used == coding
    assert inflated(compressed, coding.upper() + b" ", LIMIT) == body


def test_the_codings_are_those_of_everybody_else() -> None:
    assert inflated(gzip.compress(b"body"), b"gzip", LIMIT) == inflated(zlib.compress(b"body"), b"deflate", LIMIT)
    assert gzip.decompress(deflated(b"body", b"gzip")[0]) == zlib.decompress(deflated(b"body", b"deflate")[0])
    assert inflated(b"body", b"identity", LIMIT) == b"body"


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_body_is_never_inflated_beyond_the_limit(compress: object) -> None:
    coding = b"gzip" if compress is gzip.compress else b"deflate"
    pack = gzip.compress if compress is gzip.compress else zlib.compress
    assert len(inflated(pack(bytes(LIMIT)), coding, LIMIT)) == LIMIT
    for size in (LIMIT + 1, 10**8):
        with pytest.raises(TooLarge, match="when it is inflated"):
            inflated(pack(bytes(size)), coding, LIMIT)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_a_damaged_body_is_refused(coding: bytes) -> None:
    sound, _ = deflated(b"some body, some body", coding)
    flipped = bytes([*sound[:-3], sound[-3] ^ 1, *sound[-2:]])
    for damaged in (b"", b"plain", sound[:-1], sound + b"x", sound + sound, flipped):
        with pytest.raises(InvalidRequest):
            inflated(damaged, coding, LIMIT)


def test_another_coding_is_refused() -> None:
    for coding in (b"br", b"zstd", b"gzip, gzip"):
        with pytest.raises(UnsupportedMediaType):
            inflated(b"body", coding, LIMIT)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"gzip, deflate, br", b"gzip"),
        (b"br, Deflate;q=0.5", b"deflate"),
        (b"gzip;q=0, deflate", b"deflate"),
        (b"gzip; q=0.0", None),
        (b"br", None),
        (b"identity", None),
        (b"", None),
    ],
)
def test_the_first_coding_that_is_accepted_is_used(accepted: bytes, coding: bytes | None) -> None:
    payload, used = deflated(b"payload", accepted)
    assert used == coding
    assert (payload == b"payload") == (coding is None)
