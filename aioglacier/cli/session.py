"""One run of the command line: its settings, its output, its signals, its connection."""

from __future__ import annotations

import logging
import shlex
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.cli.exits import Exit
from aioglacier.cli.stopping import StoppedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from aioglacier.cli.output import Output
    from aioglacier.cli.settings import Settings
    from aioglacier.cli.stopping import Stopper
    from aioglacier.client import Glacier

T = TypeVar("T")

_log: Final = logging.getLogger("aioglacier.cli")


class CommandError(Exception):
    """What a command found wrong by itself, with the exit code it ends with."""

    def __init__(self, message: str, code: Exit = Exit.OTHER) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """What a command is given.

    Attributes:
        resume: The command that goes on if this one is stopped now, ``None`` where none does.
        safe: Says what is safe in that case, as "12 of 40 parts are at the service".
    """

    def __init__(self, settings: Settings, output: Output, stopper: Stopper) -> None:
        self.settings = settings
        self.output = output
        self.stopper = stopper
        self.resume: str | None = None
        self.safe: Callable[[], str] = lambda: ""

    def command(self, *arguments: str) -> str:
        """A command line for the same vaults as this one."""
        return shlex.join(["aioglacier", *self.settings.arguments(), *arguments])

    def run(self, work: Callable[[Glacier], Awaitable[T]]) -> T:
        """Connect, and run ``work`` until it ends or a signal stops it."""

        async def connected() -> T:
            async with self.connect() as glacier:
                return await work(glacier)

        return self.run_async(connected)

    def run_async(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run ``work`` until it ends or a signal stops it.

        Raises:
            StoppedError: A signal did. What ``work`` had open has been closed.
        """
        import asyncio  # noqa: PLC0415  # not everything the command line does needs a loop

        import anyio  # noqa: PLC0415

        async def supervised() -> T:
            loop = asyncio.get_running_loop()
            with anyio.CancelScope() as scope:
                with self.stopper.cancelling(lambda: loop.call_soon_threadsafe(scope.cancel)):
                    return await work()
            raise self.stopper.stopped or AssertionError

        try:
            return asyncio.run(supervised())
        except StoppedError:
            raise
        except Exception as error:
            if (stopped := self.stopper.stopped) is not None:
                _log.debug("while stopping: %s", error, exc_info=True)
                raise stopped from error
            raise

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Glacier]:
        """Open the connection that the global options ask for."""
        from aioglacier.client import connect  # noqa: PLC0415
        from aioglacier.transfer.resources import (  # noqa: PLC0415
            DEFAULT_MAX_CONCURRENCY,
            DEFAULT_MEMORY_LIMIT,
        )

        settings = self.settings
        memory_limit, concurrency = settings.memory_limit, settings.concurrency
        async with connect(
            region_name=settings.region,
            profile_name=settings.profile,
            endpoint_url=f"local:{settings.local}" if settings.local is not None else settings.endpoint_url,
            account_id=settings.account_id,
            memory_limit=DEFAULT_MEMORY_LIMIT if memory_limit is None else memory_limit,
            max_concurrency=DEFAULT_MAX_CONCURRENCY if concurrency is None else concurrency,
        ) as glacier:
            yield glacier


def worst_exit(failed: int, total: int, codes: Iterable[Exit]) -> Exit:
    """The exit code of several items: a single one's own, else whether any failed."""
    if not failed:
        return Exit.DONE
    return next(iter(codes)) if total == 1 else Exit.SOME_FAILED
