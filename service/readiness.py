"""Whether requests can be served now, and if not, why."""

import asyncio

from service.errors import StoreUnavailable, WorkerMissing
from service.sessions import Store
from service.siblings import Siblings


class Readiness:
    """What a probe asks for: the store keeps what it is given, and all workers are there."""

    def __init__(self, store: Store, siblings: Siblings, store_seconds: float) -> None:
        self._store = store
        self._siblings = siblings
        self._seconds = store_seconds

    async def check(self) -> None:
        """Nothing, if all is well.

        Raises:
            StoreUnavailable, WorkerMissing: the text says what is wrong, all of it.
        """
        trouble, missing = await asyncio.gather(self._store_trouble(), self._siblings.missing())
        reasons = [] if trouble is None else [str(trouble)]
        if missing:
            many, names = len(missing) > 1, ", ".join(map(str, missing))
            who = f"worker{'s' * many} {names} of {self._siblings.workers}"
            reasons.append(f"{who} {'do' if many else 'does'} not answer")
        if reasons:
            kind = WorkerMissing if trouble is None else StoreUnavailable
            raise kind("; ".join(reasons), retry_after=1)

    async def _store_trouble(self) -> StoreUnavailable | None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._store.check()
        except StoreUnavailable as error:
            return error
        except TimeoutError:
            return StoreUnavailable(f"the session store did not answer within {self._seconds:g} s")
        return None
