"""One run of the command line: its settings, its output, its signals, its connection."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.resume_command import other_command, resume_command
from aioglacier.cli.program.stopping import StoppedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    import click

    from aioglacier.catalog import Catalog
    from aioglacier.cli.program.global_options import Settings
    from aioglacier.cli.program.stopping import Stopper
    from aioglacier.cli.render.console import Output
    from aioglacier.client.glacier import Glacier

T = TypeVar("T")

#: Files open at once while archives move, apart from connections: 20 were seen to do, 40 with a server.
_FILES: Final = 24
_FILES_LOCAL: Final = 48

#: Commands on a local Glacier are mostly short, so a longer wait ends with an explanation.
_PATIENCE_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 0.1

#: Objects made until garbage is looked for, once all is loaded: some 10 MB.
_COLLECT_AFTER: Final = 50_000

_log: Final = logging.getLogger("aioglacier.cli")


class CommandError(Exception):
    """An error that a command found by itself, with its exit code."""

    def __init__(self, message: str, code: Exit = Exit.OTHER) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """The settings, output, signals and connection of one command.

    Attributes:
        begins_catalog: Whether the command fills a new catalog, although a damaged one is kept beside it.
        resume: The command line that goes on if this one is stopped now, ``None`` if there is none.
        safe: Returns what is safe in that case, as "12 of 40 parts are at the service".
    """

    def __init__(self, ctx: click.Context, settings: Settings, output: Output, stopper: Stopper) -> None:
        self._ctx = ctx
        self.settings = settings
        self.output = output
        self.stopper = stopper
        self.resume: str | None = None
        self.begins_catalog = False
        self.safe: Callable[[], str] = lambda: ""

    @property
    def context(self) -> click.Context:
        """The parsed command line."""
        return self._ctx

    def same_command(self, **changes: Any) -> str | None:
        """Return this command line again, see ``resume_command``; ``None`` if it read a list from a pipe."""
        if "-" in {self._ctx.params.get("file"), self._ctx.params.get("files_from")}:
            return None
        return resume_command(self._ctx, **changes)

    def command(self, *words: str) -> str:
        """Return another command line for the same vaults."""
        return other_command(self._ctx, *words)

    def require_local(self) -> None:
        """See that the folder of ``--local`` is there, before an empty one is made for a mistyped name."""
        local = self.settings.local
        if local is not None and not os.path.exists(local):  # noqa: PTH110  # a name of any bytes
            make = shlex.join(["aioglacier", "--local", local, "vault", "create", "NAME"])
            raise CommandError(f"--local {local!r}: there is no such folder; {make} makes it", Exit.USAGE)

    def run(self, work: Callable[[Glacier], Awaitable[T]], *, records: bool = True) -> T:
        """Connect, with a catalog if there are ``records``, and run ``work`` until it or a signal ends."""

        async def connected() -> T:
            async with AsyncExitStack() as stack:
                glacier = await stack.enter_async_context(self.connect(records=records))
                _watch_garbage()  # from here on no module is loaded
                return await work(glacier)

        return self.run_async(connected)

    def run_with_catalog(self, work: Callable[[Catalog], Awaitable[T]]) -> T:
        """Open the catalog, and run ``work`` without a connection until it ends or a signal stops it."""

        async def opened() -> T:
            async with self.open_catalog() as catalog:
                return await work(catalog)

        return self.run_async(opened)

    def run_async(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run ``work`` until it ends. A signal closes it, and raises ``StoppedError``."""
        import asyncio  # noqa: PLC0415  # not everything the command line does needs a loop

        import anyio  # noqa: PLC0415

        async def supervised() -> T:
            loop = asyncio.get_running_loop()
            with anyio.CancelScope() as scope:
                with self.stopper.cancelling(lambda: loop.call_soon_threadsafe(scope.cancel)):
                    return await work()
            raise self.stopper.stopped or AssertionError  # only a signal cancels this scope

        try:
            return asyncio.run(supervised())
        except StoppedError:
            raise
        except Exception as error:
            if (stopped := self.stopper.stopped) is not None:
                _log.debug("while stopping: %s: %s", type(error).__name__, error)
                raise stopped from error
            raise

    def _look_at_catalog(self) -> None:
        """Say that the file of ``--catalog`` is a new one: its path may be mistyped."""
        path = self.settings.catalog
        if path is None or "://" in path or os.path.lexists(path):
            return
        folder = os.path.dirname(path) or "."  # noqa: PTH120  # a name of any bytes
        if not os.path.isdir(folder):  # noqa: PTH112  # as above
            raise CommandError(f"--catalog {path!r}: there is no folder {folder!r}", Exit.CATALOG)
        self.output.note(f"new catalog {path!r}")

    @asynccontextmanager
    async def open_catalog(self) -> AsyncIterator[Catalog]:
        """Open the catalog that the global options name."""
        import importlib  # noqa: PLC0415  # not needed for help

        import anyio.to_thread  # noqa: PLC0415

        self._look_at_catalog()
        try:
            catalog = await anyio.to_thread.run_sync(importlib.import_module, "aioglacier.catalog")
            async with catalog.Catalog.open(self.settings.catalog, begins_new=self.begins_catalog) as opened:
                yield opened
        except ModuleNotFoundError as error:
            if error.name != "asyncpg":
                raise
            raise CommandError(
                "a catalog in PostgreSQL needs asyncpg: pip install aioglacier[postgresql]", Exit.CATALOG
            ) from error

    @asynccontextmanager
    async def connect(self, *, records: bool) -> AsyncIterator[Glacier]:
        """Open the connection that the global options ask for, with a catalog if there are ``records``.

        The catalog is opened between the search for credentials and the first request.
        """
        from aioglacier.client.glacier import connect  # noqa: PLC0415  # not needed for help

        settings = self.settings
        concurrency = settings.concurrency or 1  # by itself it takes no more than there is room for
        # A connection is one file, and two more where its other end is in this process and writes.
        is_local = settings.local is not None
        _allow_open_files(_FILES_LOCAL + 4 * concurrency if is_local else _FILES + 2 * concurrency)
        open_ = partial(
            connect,
            region_name=settings.region,
            profile_name=settings.profile,
            endpoint_url=f"local:{settings.local}" if settings.local is not None else settings.endpoint_url,
            s3_endpoint_url=settings.endpoint_url,
            account_id=settings.account_id,
            limits=settings.limits(),
            allow_insecure=settings.allow_insecure,
            cluster=settings.cluster,
        )
        async with AsyncExitStack() as stack:
            yield await _enter(
                stack, lambda: open_(catalog=self.open_catalog() if records else None), settings
            )


async def _enter(
    stack: AsyncExitStack, open_: Callable[[], AbstractAsyncContextManager[Glacier]], settings: Settings
) -> Glacier:
    """Connect, and wait some seconds for a local Glacier that another command uses."""
    import anyio  # noqa: PLC0415  # not everything the command line does needs a loop

    from aioglacier.core.errors import ConfigurationError, InsecureEndpointError  # noqa: PLC0415

    give_up = anyio.current_time() + _PATIENCE_SECONDS
    while True:
        try:
            return await stack.enter_async_context(open_())
        except ConfigurationError as error:
            if isinstance(error, InsecureEndpointError):
                raise InsecureEndpointError(error.endpoint, allow="--allow-insecure") from error
            if settings.local is None or not _is_in_use(error):
                raise
            if anyio.current_time() > give_up:
                serve = shlex.join(["aioglacier", "serve", settings.local])
                raise CommandError(
                    f"another process uses the local Glacier in {settings.local!r}; for several at once "
                    f"run {serve} and give each the URL that it prints, with --endpoint-url",
                    Exit.TEMPORARY,
                ) from error
        await anyio.sleep(_LOOK_AGAIN_SECONDS)


def _watch_garbage() -> None:
    """Collect garbage more often from now on, and never look at the loaded modules again."""
    if gc.get_threshold()[0] > _COLLECT_AFTER:  # the process is ours
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)


def _is_in_use(error: BaseException) -> bool:
    from aioglacier.server.state.files import DirectoryInUseError  # noqa: PLC0415  # loaded for --local only

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DirectoryInUseError):
        cause = cause.__cause__
    return cause is not None


def _allow_open_files(needed: int) -> None:
    """Raise the limit of open files to what a transfer needs, before one fails half-way."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # not everywhere

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        from aioglacier.core.errors import ConfigurationError  # noqa: PLC0415  # not needed for help

        raise ConfigurationError(
            f"only {hard} files may be open at once (ulimit -n), and this needs {needed}; raise that limit"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def worst_exit(failed: int, total: int, codes: Iterable[Exit]) -> Exit:
    """Return the exit code of several items: a single item's own, otherwise whether any failed."""
    if not failed:
        return Exit.DONE
    return next(iter(codes)) if total == 1 else Exit.SOME_FAILED
