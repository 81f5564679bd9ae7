"""Who may work on a session, and where: turns and free rows."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from service.errors import Overloaded, SessionCapacity, StoreUnavailable
from service.sessions import Rows, Store
from service.settings import Settings
from service.turns import Turns


class Keeping:
    """A store and the rows of its sessions, for requests that come at the same time."""

    def __init__(self, store: Store, rows: Rows, settings: Settings) -> None:
        self.store = store
        self.rows = rows
        self.turns = Turns()
        self._max_queue = settings.max_queue
        self._patience = settings.store_timeout_seconds
        self._inside = 0
        store.adopt(rows, self.turns.__contains__)

    def enter(self) -> None:
        """One more request is waited for or computed, until it leaves.

        Raises:
            Overloaded: there are too many.
        """
        if self._inside >= self._max_queue:
            raise Overloaded("too many requests are waiting; try again later", retry_after=1)
        self._inside += 1

    def leave(self) -> None:
        """It is neither any more."""
        self._inside -= 1

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Have a session to oneself, as `take_turn` and `give_turn` say."""
        await self.take_turn(key)
        try:
            yield
        finally:
            self.give_turn(key)

    async def take_turn(self, key: str) -> None:
        """Wait until nobody else has the session.

        Raises:
            StoreUnavailable: those before do not come to an end.
        """
        if key not in self.turns:
            self.turns.hold((key,))
            return
        try:
            async with asyncio.timeout(self._patience):
                await self.turns.take(key)
        except TimeoutError:
            raise self._busy() from None

    def check_patience(self, since: float) -> None:
        """Whether to go on with a session that others change all the time, after so long (`time.perf_counter`).

        Raises:
            StoreUnavailable: no.
        """
        if time.perf_counter() - since > self._patience:
            raise self._busy()

    def _busy(self) -> StoreUnavailable:
        return StoreUnavailable(f"the session was busy for more than {self._patience:g} s", retry_after=1)

    def give_turn(self, key: str) -> None:
        """To the next; or to a change that is being kept, if who had it leaves before that is done."""
        if (change := self.store.pending(key)) is None:
            self.turns.give(key)
        else:
            change.add_done_callback(lambda _: self.turns.give(key))

    def take(self, count: int = 1) -> list[int]:
        """Free rows.

        Raises:
            SessionCapacity: there are not so many.
        """
        taken = self.rows.take(count)
        if len(taken) < count:
            raise SessionCapacity("there is no room for a new session; try again later", retry_after=1)
        return taken

    def give_back(self, rows: Iterable[int]) -> None:
        """They are free again."""
        for row in rows:
            self.rows.give(row)
