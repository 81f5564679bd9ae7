"""First come, first served: one request at a time per session."""

import asyncio
from collections import deque
from collections.abc import Iterable


class Turns:
    """A queue per key, which exists only as long as somebody holds the turn; None while nobody awaits it."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[asyncio.Future[None]] | None] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, key: str) -> bool:
        """Whether somebody holds the turn."""
        return key in self._queues

    def hold(self, keys: Iterable[str]) -> None:
        """Take the turns of keys that nobody holds."""
        self._queues.update(dict.fromkeys(keys))

    async def take(self, key: str) -> None:
        """Wait for the turn. It is held until `give`."""
        if key not in self._queues:
            self._queues[key] = None
            return
        queue = self._queues[key]
        if queue is None:
            queue = self._queues[key] = deque()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn had just been handed over, to somebody who left
                self.give(key)
            raise

    def give(self, key: str) -> None:
        """Hand the turn to whoever has waited longest and is still there."""
        queue = self._queues[key]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[key]
