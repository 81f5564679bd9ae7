import hashlib

import pytest

from service.access import Access
from service.errors import Unauthorized

KEY, OTHER = "first key, with spaces", "second-key"


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@pytest.mark.parametrize("authorization", [None, "", "Bearer whatever", "nonsense"])
def test_without_keys_everybody_may_and_is_the_same_owner(authorization: str | None) -> None:
    access = Access([])
    assert access.open
    assert access.owner(authorization) == ""


@pytest.mark.parametrize("configured", [KEY, hashed(KEY)])
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_key_is_configured_as_it_is_or_as_its_hash(configured: str, scheme: str) -> None:
    access = Access([OTHER, configured])
    assert not access.open
    assert access.owner(scheme + KEY) == hashlib.sha256(KEY.encode()).hexdigest()[:16]


def test_an_owner_is_the_same_however_and_wherever_the_key_is_configured() -> None:
    owners = {access.owner(f"Bearer {KEY}") for access in (Access([KEY]), Access([OTHER, hashed(KEY)]))}
    assert len(owners) == 1


def test_each_key_is_an_owner_of_its_own_and_all_prefixes_are_of_one_length() -> None:
    access = Access([KEY, hashed(OTHER)])
    owners = {access.owner(f"Bearer {key}") for key in (KEY, OTHER)}
    assert [len(owner) for owner in owners] == [16, 16]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        f"Basic {KEY}",
        f"Bearer{KEY}",
        KEY,
        f"Bearer {hashed(KEY)}",
        f"Bearer {hashed(KEY).removeprefix('sha256:')}",
        "Bearer é",
        "Bearer \x00",
    ],
)
def test_anything_else_is_refused_without_repeating_it(authorization: str | None) -> None:
    access = Access([KEY, hashed(OTHER)])
    with pytest.raises(Unauthorized) as error:
        access.owner(authorization)
    assert str(error.value) == "an API key is needed: send the header authorization: Bearer KEY"


def test_a_hash_does_not_open_what_its_key_opens() -> None:
    """Whoever reads the configuration cannot use it."""
    with pytest.raises(Unauthorized):
        Access([hashed(KEY)]).owner(f"Bearer {hashed(KEY)}")


def test_every_key_is_compared_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr("service.access.hmac.compare_digest", compare)
    Access([KEY, OTHER, "third"]).owner(f"Bearer {KEY}")
    assert len(compared) == 3
