"""One request on its way through the server, its answer, and the open parts of the server that it uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import missing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from aiohttp import web
    from anyio import CapacityLimiter

    from aioglacier.server.requests.faults import FaultScript, RequestFaults
    from aioglacier.server.state.bodies import Slice
    from aioglacier.server.state.clock import VirtualClock
    from aioglacier.server.state.files import Files
    from aioglacier.server.state.record_database import Database
    from aioglacier.server.state.server_settings import Settings

T = TypeVar("T")


class Upkeep(Protocol):
    """The part of the housekeeping that operations use."""

    def expect_job(self, now: int) -> None:
        """Note that a job was initiated; it may be due at once."""

    def clean_soon(self) -> None:
        """Note that files may be removed, or that the clock has moved."""

    async def cleaned(self) -> None:
        """Wait until a cleaning that began after this call has ended."""

    async def caught_up(self) -> None:
        """Wait until every job that is due has ended, but only for a limited time."""


@dataclass(frozen=True, slots=True)
class Site:
    """The open parts of a running server."""

    settings: Settings
    clock: VirtualClock
    database: Database
    files: Files
    faults: FaultScript
    housekeeping: Upkeep
    disk_limiter: CapacityLimiter  # bounds the threads that hash and touch files, shared by all requests


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer's status, headers and bytes: ``body``, or the bytes of ``slices`` in order."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    slices: tuple[Slice, ...] | None = None


def document(content: dict[str, Any]) -> Answer:
    """Return an answer with a JSON document, 200."""
    return Answer(200, body=wire.encode(content))


def accepted(headers: Mapping[str, str], *, status: int = 201) -> Answer:
    """Return an answer that names a new thing in its headers."""
    return Answer(status, headers, behaviour.EMPTY_DOCUMENT)


NO_CONTENT = Answer(204)


@dataclass(slots=True)
class Call:
    """One request to either service, and the open parts of the server that it needs."""

    site: Site
    request: web.BaseRequest
    query: Mapping[str, str]
    faults: RequestFaults  # the scripted faults of this request
    body: bytes  # the document of the request; uploads read ``request.content`` themselves

    @property
    def now(self) -> int:
        """The time of the virtual clock, in milliseconds since 1970."""
        return self.site.clock.milliseconds()

    def header(self, name: str) -> str | None:
        """Return a header, if it was sent and is not empty."""
        return self.request.headers.get(name) or None

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Read from the records."""
        return await self.site.database.read(question)

    async def commit(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Change the records; on return the change is on disk. Scripted faults strike before and after."""
        await self.faults.before_commit(self.request)
        result = await self.site.database.write(change)
        await self.faults.after_commit(self.request)
        return result

    async def remove(self, change: Callable[[sqlite3.Connection], object]) -> Answer:
        """Remove something from the records, and soon the files that no record names; answer 204."""
        await self.commit(change)
        self.site.housekeeping.clean_soon()
        return NO_CONTENT


@dataclass(slots=True)
class VaultCall(Call):
    """One request to the vault service."""

    vault: str  # the vault's name from the path, "" for the account's operations
    item: str  # the archive, upload, job or lock id from the path, or ""

    @property
    def arn(self) -> str:
        """The vault's ARN."""
        return self.site.settings.vault_arn(self.vault)

    def need_header(self, name: str) -> str:
        """Return a header that the operation requires."""
        value = self.header(name)
        if value is None:
            raise missing(name)
        return value

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the body; an empty body counts as an empty object."""
        return wire.decode(self.body) if self.body.strip() else {}

    def location(self, *segments: str) -> str:
        """Return a path for the Location header, with the real account id."""
        return "/".join(("", self.site.settings.account_id, "vaults", self.vault, *segments))
