import asyncio

import pytest

from service.turns import Turns


async def settle() -> None:
    """Let everybody go as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


class Desk:
    """Visitors who take their turn, say so, and hold it until they are let go."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.served: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}

    def come(self, name: str, key: str = "a") -> "asyncio.Task[None]":
        self._leave[name] = asyncio.Event()
        return asyncio.ensure_future(self._visit(name, key))

    async def _visit(self, name: str, key: str) -> None:
        await self.turns.take(key)
        try:
            self.served.append(name)
            await self._leave[name].wait()
        finally:
            self.turns.give(key)

    def let_go(self, name: str) -> None:
        self._leave[name].set()


def test_first_come_first_served_one_at_a_time() -> None:
    async def visit() -> None:
        desk = Desk()
        for name in "123":
            desk.come(name)
        for served in ("1", "12", "123"):
            await settle()
            assert desk.served == list(served)
            desk.let_go(served[-1])
        await settle()
        assert len(desk.turns) == 0

    asyncio.run(visit())


def test_keys_do_not_wait_for_each_other() -> None:
    async def visit() -> None:
        desk = Desk()
        for name, key in (("1", "a"), ("2", "b"), ("3", "a")):
            desk.come(name, key)
        await settle()
        assert (desk.served, len(desk.turns)) == (["1", "2"], 2)
        desk.let_go("2")
        await settle()
        assert (desk.served, len(desk.turns)) == (["1", "2"], 1)

    asyncio.run(visit())


@pytest.mark.parametrize("leaving", ["2", "3", "23", "32", "4", "234"])
def test_who_leaves_the_queue_is_passed_over(leaving: str) -> None:
    async def visit() -> None:
        desk = Desk()
        visitors = {name: desk.come(name) for name in "1234"}
        await settle()
        for name in leaving:
            visitors[name].cancel()
        await settle()
        for name in "1234":
            desk.let_go(name)
        outcomes = await asyncio.gather(*visitors.values(), return_exceptions=True)
        assert desk.served == [name for name in "1234" if name not in leaving]
        assert [type(outcome) for outcome in outcomes].count(asyncio.CancelledError) == len(leaving)
        assert len(desk.turns) == 0

    asyncio.run(visit())


def test_a_turn_that_was_handed_to_somebody_who_leaves_goes_on_to_the_next() -> None:
    async def visit() -> None:
        turns = Turns()
        await turns.take("a")
        second, third = (asyncio.ensure_future(turns.take("a")) for _ in range(2))
        await settle()
        turns.give("a")
        second.cancel()  # before it could notice that the turn is its own
        await third
        assert second.cancelled()
        turns.give("a")
        assert len(turns) == 0

    asyncio.run(visit())


def test_whoever_is_cancelled_during_the_turn_gives_it_back() -> None:
    async def visit() -> None:
        desk = Desk()
        first, _ = desk.come("1"), desk.come("2")
        await settle()
        first.cancel()
        desk.let_go("2")
        await settle()
        assert (desk.served, len(desk.turns)) == (["1", "2"], 0)

    asyncio.run(visit())


def test_nothing_is_kept_of_those_who_all_left() -> None:
    async def visit() -> None:
        desk = Desk()
        visitors = [desk.come(str(i)) for i in range(100)]
        await settle()
        for visitor in reversed(visitors):
            visitor.cancel()
        await asyncio.gather(*visitors, return_exceptions=True)
        assert (desk.served, len(desk.turns)) == (["0"], 0)

    asyncio.run(visit())
