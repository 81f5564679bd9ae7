"""First come, first served: one request at a time per session."""

import asyncio
from collections import deque


class Turns:
    """A queue per key, which exists only as long as somebody holds or awaits the turn."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._queues)

    async def take(self, key: str) -> None:
        """Wait for the turn. It is held until `give`."""
        queue = self._queues.get(key)
        if queue is None:
            self._queues[key] = deque()
            return
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
