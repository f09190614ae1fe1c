"""The local Glacier: a server on a directory, as an async context manager."""

from __future__ import annotations

import asyncio
import errno
import logging
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import anyio
from aiohttp import web
from anyio import CapacityLimiter, create_task_group, to_thread

from aioglacier.core.limits import KIB
from aioglacier.server import control_api as control
from aioglacier.server.app import Application
from aioglacier.server.connection import ConnectionServer
from aioglacier.server.operations.vaults import snapshots
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.sigv4 import Credentials
from aioglacier.server.requests.call import Site
from aioglacier.server.requests.faults import Fault, FaultScript, load_faults
from aioglacier.server.state import bodies
from aioglacier.server.state.clock import VirtualClock
from aioglacier.server.state.files import Files
from aioglacier.server.state.record_database import Database
from aioglacier.server.state.server_settings import Settings, spread_delays
from aioglacier.server.upkeep import endings
from aioglacier.server.upkeep.housekeeping import Housekeeping

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

_DISK_THREADS: Final = 8
_SHUTDOWN_SECONDS: Final = 2.0

#: The address to reach a server at that listens on all interfaces.
_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # compared, not bound

_http_logger: Final = logging.getLogger("aioglacier.server.http")

#: Session tokens and canonical descriptions are long; whole heads are bounded by the number of fields.
_MAX_HEADER_SIZE: Final = 16 * KIB
_MAX_HEADERS: Final = 100


class StartupError(Exception):
    """The local Glacier cannot be opened here; the message has the reason and the remedy."""


class LocalGlacier:
    """A local Glacier in a directory.

    ::

        async with LocalGlacier("glacier") as server:
            print(server.url)

    It speaks the vault API of 2012-06-01 to any client and keeps what it acknowledged across crashes. It
    may run on the event loop of the client that it serves: hashing, files and records are left to threads.
    One object is entered once; the directory may be opened again later, by one server at a time.

    Args:
        directory: The folder of all records and bytes; it is created if missing.
        host: The interface to listen on.
        port: 0 takes a free one; the attribute ``port`` has its number.
        region: Part of ARNs and of signatures.
        account_id: Twelve digits; clients may write "-" instead.
        access_key_id: With ``secret_access_key``: every request must be signed with this pair.
        secret_access_key: See ``access_key_id``.
        credentials: More pairs, also temporary ones.
        allowed_hosts: Names that a request's Host header may have besides localhost, ``host`` and addresses.
            A server without keys refuses all others, so that a web page cannot reach it by a name of its own.
        clock_skew_seconds: The clock that judges signatures is so far ahead of the real one.
        job_delay: Seconds until a job is done, as one number or by ``Expedited``, ``Standard``, ``Bulk``
            and ``Inventory``; ``None`` takes the service's own, minutes to hours.
        inventory_lag: Seconds from a change of a vault until its inventory, and the numbers of
            DescribeVault, show it; 0 shows it at once.
        clock: The virtual clock that jobs, inventories and expiry go by. It never runs behind the one that
            an earlier server of this directory had.
        faults: Scripted faults, as objects or in a JSON file.
        notify_url: The URL to which notifications of finished jobs are posted.
        sns_endpoint_url: An SNS, such as moto's, that publishes them to their topics; requests to it are
            signed with the first pair of keys.
        ssl_context: Makes it https.
        is_durable: Whether acknowledged bytes also survive a power failure. Without it tests on slow disks
            are faster, and a kill of the process still loses nothing.
        body_idle_seconds: A request body that stands still so long is answered with 408, and a client that
            takes no output for so long is cut off.
        head_idle_seconds: A connection without a complete request head is closed after so long.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        region: str = "us-east-1",
        account_id: str = "012345678901",
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        credentials: Sequence[Credentials] = (),
        allowed_hosts: Sequence[str] = (),
        clock_skew_seconds: float = 0.0,
        job_delay: float | Mapping[str, float] | None = None,
        inventory_lag: float = behaviour.INVENTORY_LAG_SECONDS,
        clock: VirtualClock | None = None,
        faults: Sequence[Fault] | str | os.PathLike[str] = (),
        notify_url: str | None = None,
        sns_endpoint_url: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        is_durable: bool = True,
        body_idle_seconds: float = behaviour.BODY_IDLE_SECONDS,
        head_idle_seconds: float = behaviour.HEAD_IDLE_SECONDS,
    ) -> None:
        if (access_key_id is None) != (secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together; give both or neither")
        if not (len(account_id) == 12 and account_id.isascii() and account_id.isdigit()):
            raise ValueError(f"an account id has twelve digits, not {account_id!r}")
        if not inventory_lag >= 0:
            raise ValueError(f"inventory_lag is 0 seconds or more, not {inventory_lag}")
        pairs = tuple(credentials)
        if access_key_id is not None and secret_access_key is not None:
            pairs = (Credentials(access_key_id, secret_access_key), *pairs)
        self._settings = Settings(
            directory=Path(directory),
            host=host,
            port=port,
            region=region,
            account_id=account_id,
            credentials=pairs,
            allowed_hosts=tuple(allowed_hosts),
            clock_skew_seconds=clock_skew_seconds,
            job_delay=spread_delays(job_delay),
            inventory_lag=inventory_lag,
            notify_url=notify_url,
            sns_endpoint_url=sns_endpoint_url,
            ssl_context=ssl_context,
            is_durable=is_durable,
            body_idle_seconds=body_idle_seconds,
            head_idle_seconds=head_idle_seconds,
        )
        self._clock = VirtualClock() if clock is None else clock
        self._fault_source = faults
        self._faults = FaultScript()
        self._stack: AsyncExitStack | None = None
        self._site: Site | None = None
        self._port = port

    def __repr__(self) -> str:
        state = self.url if self._site is not None else "closed"
        return f"<LocalGlacier {self._settings.directory} {state}>"

    @property
    def url(self) -> str:
        """The address for clients, without a slash at the end; an ``endpoint_url`` for AWS's own clients.

        A server that listens on all interfaces gives the loopback address, which clients accept without TLS.
        """
        scheme = "http" if self._settings.ssl_context is None else "https"
        host = _REACHED_AT.get(self._settings.host, self._settings.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def port(self) -> int:
        """The port that it listens on; before it is opened the port that was given."""
        return self._port

    @property
    def settings(self) -> Settings:
        """The options that it was created with."""
        return self._settings

    @property
    def clock(self) -> VirtualClock:
        """Its clock; ``LocalGlacier.advance`` moves it and waits until the due work is done."""
        return self._clock

    @property
    def faults(self) -> FaultScript:
        """The scripted faults; they may be changed at any time."""
        return self._faults

    async def advance(self, by: float | timedelta) -> None:
        """Move the virtual clock by seconds or a ``timedelta``.

        On return the jobs that became due have ended and the things that expired are removed.

        Raises:
            ValueError: The clock would move backwards, or beyond the year 9000.
        """
        await control.advance(self._open_site(), by)

    async def run_inventory(self) -> None:
        """Take the inventory of every vault that changed, now."""
        site = self._open_site()
        await site.database.write(partial(snapshots.take_all, now=site.clock.milliseconds()))

    async def reset(self) -> None:
        """Remove everything that was stored, and all faults. The clock stays where it is."""
        await control.reset(self._open_site())

    async def __aenter__(self) -> Self:
        """Open the directory and listen.

        Raises:
            StartupError: The directory cannot be used or is in use, or the address cannot be listened on.
        """
        if self._stack is not None:
            raise RuntimeError("a LocalGlacier is entered once; make another one for the directory")
        self._stack = AsyncExitStack()
        try:
            self._site = await self._open(self._stack)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish the requests that run, for at most 2 seconds, and close everything."""
        self._site = None
        if self._stack is not None:
            # The exception is not passed in, because a task group would wrap it; it continues by itself.
            await self._stack.aclose()

    def _open_site(self) -> Site:
        if self._site is None:
            raise RuntimeError("the local Glacier is not open; use it inside its async with block")
        return self._site

    async def _open(self, stack: AsyncExitStack) -> Site:
        settings = self._settings
        self._faults.add(*await to_thread.run_sync(load_faults, self._fault_source))
        files = Files(settings.directory, is_durable=settings.is_durable)
        try:
            await to_thread.run_sync(files.open_directory)
            stack.callback(files.close_directory)
            database = await stack.enter_async_context(
                Database(settings.directory / "glacier.sqlite3", is_durable=settings.is_durable)
            )
        except Exception as error:
            raise StartupError(f"{settings.directory} cannot hold a local Glacier: {error}") from error
        await self._recover(files, database)
        stack.push_async_callback(self._save_clock, database)
        housekeeping = Housekeeping()
        site = Site(
            settings=settings,
            clock=self._clock,
            database=database,
            files=files,
            faults=self._faults,
            housekeeping=housekeeping,
            disk_limiter=CapacityLimiter(_DISK_THREADS),
        )
        # A task with an owner, not a task group held open: a group must be left by the task that entered it,
        # which the fixtures of pytest-asyncio do not, and before Python 3.13 a group that is cancelled here
        # breaks if an asyncio.TaskGroup in the caller's block has failed meanwhile.
        stack.push_async_callback(_end, asyncio.create_task(_keep_house(housekeeping, site)))
        await self._listen(site, stack)
        return site

    async def _recover(self, files: Files, database: Database) -> None:
        def is_recorded(name: str) -> bool:
            return bodies.is_recorded(reader, name)

        reader = await to_thread.run_sync(database.open_reader)
        try:
            await to_thread.run_sync(files.sweep, is_recorded)
        finally:
            reader.close()
        behind = await database.read(endings.saved_offset) - self._clock.offset_seconds
        if behind > 0:
            self._clock.advance(behind)

    async def _save_clock(self, database: Database) -> None:
        with anyio.CancelScope(shield=True):
            await database.write(partial(endings.save_offset, seconds=self._clock.offset_seconds))

    async def _listen(self, site: Site, stack: AsyncExitStack) -> None:
        application = Application(site)
        server = ConnectionServer(
            application.handle,
            application.refuse_malformed,
            keepalive_timeout=site.settings.head_idle_seconds,
            max_line_size=_MAX_HEADER_SIZE,
            max_field_size=_MAX_HEADER_SIZE,
            max_headers=_MAX_HEADERS,
            read_bufsize=256 * KIB,
            auto_decompress=False,
            access_log=None,
            logger=_http_logger,
        )
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        stack.push_async_callback(_close, runner)
        settings = self._settings
        try:
            listener = await asyncio.get_running_loop().create_server(
                server, settings.host, settings.port, ssl=settings.ssl_context, backlog=1024
            )
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            reason = "the address is in use" if error.errno == errno.EADDRINUSE else str(error)
            raise StartupError(f"cannot listen on {where}: {reason}; choose another port") from error
        stack.push_async_callback(_stop_listening, listener)
        self._port = listener.sockets[0].getsockname()[1]


async def _keep_house(housekeeping: Housekeeping, site: Site) -> None:
    async with create_task_group() as tasks:
        await housekeeping.run(site, tasks)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with anyio.CancelScope(shield=True):  # it stops at its next await
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _stop_listening(listener: asyncio.Server) -> None:
    """Refuse new connections; keep those that were accepted."""
    # CPython 3.11 loses a connection that it accepted in the turn before its server is closed.
    with suppress(NotImplementedError):  # Windows
        for one in listener.sockets:
            asyncio.get_running_loop().remove_reader(one.fileno())
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)
    listener.close()


async def _close(runner: web.ServerRunner) -> None:
    with anyio.CancelScope(shield=True):  # bounded by the runner's own timeout
        await runner.cleanup()
