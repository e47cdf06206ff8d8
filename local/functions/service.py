"""The runtime's Lambda service: every deployed function with its pool of environments."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping

from local.deploying.control_plane import Function
from local.errors import CannotStartError
from local.functions.idle_cores import IdleCores
from local.functions.invocation import FunctionService, Invocation, Outcome
from local.functions.pool import EnvironmentStarter, FunctionPool

_CHECK_SECONDS = 0.005
_REAP_SECONDS = 5.0


class Functions(FunctionService):
    """Invokes functions by their deployed names.

    One timer checks running events, and stops while there are none.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        start: EnvironmentStarter,
        *,
        warm: Callable[[Function], int],
        limit: int,
    ) -> None:
        self._cores = IdleCores()
        self.pools: Mapping[str, FunctionPool] = {
            function.name: FunctionPool(function, start, warm=warm(function), limit=limit, cores=self._cores)
            for function in functions
        }
        self._loop = asyncio.get_running_loop()
        self._checking = False
        self._reaper: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Start the warm environments and return when each function that has such has one.

        Raises CannotStartError if a handler cannot be loaded.
        """
        for pool in self.pools.values():
            pool.warm_up()
        for pool in self.pools.values():
            if not pool.has_warm:
                continue
            await pool.first_ready
            if pool.init_error is not None:
                raise CannotStartError(_init_error_sentence(pool.function, pool.init_error))
        self._reap()

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """Run `function` once (see FunctionService)."""
        pool = self.pools.get(function)
        if pool is None:
            document = {"errorType": "ResourceNotFoundException", "errorMessage": f"Function not found: {function}"}
            self._loop.call_soon(on_end, Invocation(Outcome.RAISED, json.dumps(document).encode()))
            return
        pool.invoke(event, on_end)
        if not self._checking:
            self._checking = True
            self._loop.call_later(_CHECK_SECONDS, self._check)

    async def replace(self, names: Iterable[str]) -> dict[str, bytes]:
        """Replace the environments of functions; return error documents of those whose code cannot be loaded."""
        pools = [self.pools[name] for name in names]
        errors = await asyncio.gather(*(pool.replace() for pool in pools))
        return {pool.function.name: error for pool, error in zip(pools, errors, strict=True) if error is not None}

    def warm_up(self, names: Iterable[str]) -> None:
        """Start the warm environments that a replacement has left out."""
        for name in names:
            self.pools[name].warm_up()

    def keep_spares(self, names: Iterable[str]) -> None:
        """Keep a spare environment of each function, so that its next replacement is fast."""
        for name in names:
            self.pools[name].keep_spare()

    def in_use(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        """Split functions into those that have run an event and the others."""
        used = [name for name in names if self.pools[name].invocations]
        return used, [name for name in names if name not in used]

    async def close(self) -> None:
        """End every environment."""
        if self._reaper is not None:
            self._reaper.cancel()
        await asyncio.gather(*(pool.close() for pool in self.pools.values()))

    def _check(self) -> None:
        now_ns = time.monotonic_ns()
        self._cores.look()
        busy = False
        for pool in self.pools.values():
            if pool.in_flight:
                pool.check(now_ns)
                busy = True
        self._checking = busy
        if busy:
            self._loop.call_later(_CHECK_SECONDS, self._check)

    def _reap(self) -> None:
        for pool in self.pools.values():
            pool.reap()
        self._reaper = self._loop.call_later(_REAP_SECONDS, self._reap)


def _init_error_sentence(function: Function, document: bytes) -> str:
    error = json.loads(document)
    return (
        f"The handler {function.handler} of {function.logical_id} cannot be loaded: "
        f"{error['errorType']}: {error['errorMessage']}"
    )
