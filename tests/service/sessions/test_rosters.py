from service.sessions.rosters import Roster, Rosters


def test_a_roster_knows_its_keys_and_whether_they_differ() -> None:
    assert (Roster(["a", "b"]).keys, Roster(["a", "b"], "me:").keys) == (["a", "b"], ["me:a", "me:b"])
    assert (Roster(["a", "b"]).distinct, Roster(["a", "b", "a"]).distinct) == (True, False)


def test_what_has_not_come_for_longest_makes_room() -> None:
    rosters = Rosters(room_bytes=7)
    a, b = rosters.add("", b"aaa", ["a"]), rosters.add("", b"bbb", ["b"])
    assert rosters.get("", b"aaa") is a
    c = rosters.add("", b"ccc", ["c"])
    assert (rosters.get("", b"aaa"), rosters.get("", b"bbb"), rosters.get("", b"ccc")) == (a, None, c)
    assert rosters.add("", b"bbb", ["b"]) is not b
    assert (rosters.get("", b"aaa"), rosters.get("", b"bbb") is None, rosters.get("", b"ccc")) == (None, False, c)


def test_what_is_larger_than_all_room_is_not_remembered() -> None:
    rosters = Rosters(room_bytes=3)
    a = rosters.add("", b"aaa", ["a"])
    assert rosters.add("", b"long", ["l"]) == ["l"]
    assert (rosters.get("", b"long"), rosters.get("", b"aaa")) == (None, a)


def test_each_owner_has_rosters_of_its_own() -> None:
    rosters = Rosters()
    mine = rosters.add("me", b"aaa", ["a"])
    assert (rosters.get("me", b"aaa"), rosters.get("you", b"aaa")) == (mine, None)
