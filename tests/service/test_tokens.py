import base64
import hashlib
import hmac
import logging
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.errors import InvalidToken
from service.tokens import MAX_CHARACTERS, VERSION, Token, Tokens
from tests.service.sessions.test_stores import Clock

KEY, OLD, FOREIGN = "the key of this service", "the key before it", "the key of another"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
EXPIRY = slice(29, 37)  # bytes, as the format is described

CONTEXT = np.array([[0.5, -1.0, 0.25]], dtype=np.float32)
TOKEN = Token(bytes(range(16)), CONTEXT, 7)


def tokens(*keys: str, clock: Clock | None = None) -> Tokens:
    return Tokens(keys or (KEY,), 60, clock or Clock())


def refusal(text: str, *keys: str, clock: Clock | None = None) -> str:
    with pytest.raises(InvalidToken) as error:
        tokens(*keys, clock=clock).read(text)
    return str(error.value)


def spelled(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def opened(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(payload: bytes, key: str = KEY) -> str:
    """A token that this service would have signed."""
    return spelled(payload + hmac.digest(key.encode(), payload, "sha256"))


contexts = arrays("<f4", st.tuples(st.just(1), st.integers(0, 40)))


@given(st.binary(min_size=16, max_size=16), contexts, st.integers(0, 2**64 - 1))
def test_what_is_issued_is_read_bit_by_bit(
    model: bytes, context: "np.ndarray[tuple[int, int], np.dtype[np.float32]]", step: int
) -> None:
    again = tokens().read(tokens().issue(Token(model, context, step)))
    assert (again.model, again.step, again.context.tobytes()) == (model, step, context.tobytes())
    assert (again.context.shape, again.context.dtype) == (context.shape, np.dtype("float32"))


def test_its_format_is_what_is_described() -> None:
    payload = struct.pack(
        "<B4s16sQQ3f", 1, hashlib.sha256(KEY.encode()).digest()[:4], bytes(range(16)), 7, 1060, 0.5, -1.0, 0.25
    )
    assert tokens().issue(TOKEN) == signed(payload)


def test_a_context_that_was_read_can_be_written_to() -> None:
    tokens().read(tokens().issue(TOKEN)).context[:] = 1


def test_every_change_of_one_character_is_refused() -> None:
    text, reader = tokens().issue(TOKEN), tokens()
    for index, letter in enumerate(text):
        for other in ALPHABET + "+/= é":
            if other != letter:
                with pytest.raises(InvalidToken):
                    reader.read(text[:index] + other + text[index + 1 :])


def test_every_cut_and_every_addition_is_refused() -> None:
    text = tokens().issue(TOKEN)
    for index in range(len(text)):
        assert "garbled" in (reason := refusal(text[:index])) or "tampered" in reason
        assert refusal(text[index + 1 :])
    for addition in ("A", "AAAA", "=", "==", " ", "\n"):
        assert refusal(text + addition)
        assert refusal(addition + text)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    assert refusal(text)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    assert refusal(spelled(content))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "garbled: it has no length of a token"),
        ("é", "garbled: it is not base64url"),
        ("a b", "garbled: it is not base64url"),
        ("AAAAA", "garbled: it is not base64url"),
        ("AQAA", "garbled: it has no length of a token"),
        ("A" * MAX_CHARACTERS, "garbled|foreign|version"),
        ("A" * (MAX_CHARACTERS + 1), f"oversized: more than {MAX_CHARACTERS} characters"),
    ],
)
def test_a_refusal_says_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidToken, match=reason):
        tokens().read(text)


def test_a_token_of_another_service_is_foreign() -> None:
    assert refusal(tokens(FOREIGN).issue(TOKEN)) == "the token is foreign: no key of this service signed it"


def test_a_token_that_only_claims_our_key_was_tampered_with() -> None:
    payload = opened(tokens().issue(TOKEN))[:-32]
    assert refusal(signed(payload, FOREIGN)) == "the token was tampered with: its signature does not match"


def test_keys_rotate_the_old_one_is_accepted_and_the_new_one_signs() -> None:
    before, both, after = tokens(OLD), tokens(KEY, OLD), tokens(KEY)
    assert both.read(before.issue(TOKEN)).step == 7
    assert after.read(both.issue(TOKEN)).step == 7
    assert "foreign" in refusal(both.issue(TOKEN), OLD)
    assert "foreign" in refusal(before.issue(TOKEN), KEY)


def test_a_token_expires() -> None:
    clock = Clock()
    text = tokens(clock=clock).issue(TOKEN)
    clock.now = 1060
    assert tokens(clock=clock).read(text).step == 7
    clock.now = 1061
    assert refusal(text, clock=clock) == "the token has expired"


def test_a_token_is_valid_for_the_whole_of_its_time() -> None:
    clock = Clock()
    clock.now = 1000.9
    text = tokens(clock=clock).issue(TOKEN)
    clock.now = 1060.8
    assert tokens(clock=clock).read(text).step == 7


def test_its_life_cannot_be_prolonged_by_who_holds_it() -> None:
    content = bytearray(opened(tokens().issue(TOKEN)))
    content[EXPIRY] = struct.pack("<Q", 2**40)
    assert "tampered" in refusal(spelled(bytes(content)))


def test_another_version_is_refused_however_long_it_is() -> None:
    payload = opened(tokens().issue(TOKEN))[:-32]
    for longer in (b"", b"x"):
        text = signed(bytes([VERSION + 1]) + payload[1:] + longer)
        assert refusal(text) == "the token is of version 2; this service reads version 1"


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.extend((left, right))
        return left == right

    monkeypatch.setattr("service.tokens.hmac.compare_digest", compare)
    text = tokens().issue(TOKEN)
    tokens().read(text)
    assert compared == [opened(text)[-32:]] * 2


def test_the_secret_is_neither_in_a_token_nor_in_an_error_nor_in_the_object() -> None:
    service = tokens()
    text = service.issue(TOKEN)
    assert KEY.encode() not in opened(text)
    assert hashlib.sha256(KEY.encode()).digest() not in opened(text)
    for shown in (refusal(text + "A"), refusal(text, FOREIGN), repr(service)):
        assert KEY not in shown


def test_without_a_key_one_is_made_up_for_each_service_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "elman"):
        one, other = (Tokens([], 60, Clock()) for _ in range(2))
    assert [record.message for record in caplog.records] == [
        "no ELMAN_TOKEN_KEY is set: tokens are valid until this process ends"
    ] * 2
    assert one.read(one.issue(TOKEN)).step == 7
    with pytest.raises(InvalidToken, match="foreign"):
        other.read(one.issue(TOKEN))


def test_with_a_key_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    tokens()
    assert not caplog.records
