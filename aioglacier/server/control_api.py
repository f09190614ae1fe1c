"""The control endpoints of a local Glacier, for tests in another process or language.

They are not the service's. Their paths begin with ``/_local/``, which no account id can. They need no
signature: the server listens on the loopback interface by default, and every process that reaches it may move
its clock. Web pages may not: a browser names its origin, and the Host header is checked.

::

    GET    /_local/health                                  200 once it serves
    GET    /_local/status                                  clock, vaults, archives, jobs, faults
    POST   /_local/reset                                   empty it: no vaults, buckets and faults
    POST   /_local/clock      {"advance_seconds": 3600}    move the virtual clock
    POST   /_local/inventory                               take every vault's inventory now
    POST   /_local/faults     [{"operation": ...}, ...]    add faults
    DELETE /_local/faults                                  remove all faults
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from aioglacier.server.operations.vaults import snapshots
from aioglacier.server.protocol import wire_format as wire
from aioglacier.server.protocol.behaviour import UNKNOWN_OPERATION
from aioglacier.server.protocol.refusal import RefusalError, denied, refuse
from aioglacier.server.requests import intake
from aioglacier.server.requests.faults import FaultKind, parse_faults
from aioglacier.server.upkeep import endings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from aioglacier.server.requests.call import Site

PREFIX: Final = "/_local/"


async def answer(site: Site, request: web.BaseRequest, path: str) -> web.Response:
    """Answer a request to a control endpoint."""
    if "Origin" in request.headers:
        raise denied("Control endpoints are not for web pages.")
    command = _COMMANDS.get((request.method, path.partition("?")[0].removeprefix(PREFIX)))
    if command is None:
        raise refuse(UNKNOWN_OPERATION)
    body = await intake.read_document(request, idle_seconds=site.settings.body_idle_seconds)
    try:
        content = json.loads(body) if body.strip() else None
        result = await command(site, content)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise RefusalError(400, "BadRequest", f"{error}") from error
    return web.Response(
        body=wire.encode(result), headers={"Content-Type": "application/json", "Server": "aioglacier"}
    )


async def advance(site: Site, by: float | timedelta) -> None:
    """Move the virtual clock, and wait until the due work is done."""
    site.clock.advance(by)
    await snapshots.catch_up(site)
    await site.housekeeping.caught_up()
    await site.housekeeping.cleaned()


async def _status(site: Site, _content: Any) -> dict[str, Any]:
    return {
        "clock": wire.instant(site.clock.milliseconds()),
        "clock_offset_seconds": site.clock.offset_seconds,
        "faults": site.faults.snapshot(),
        **await site.database.read(_count),
    }


def _count(db: sqlite3.Connection) -> dict[str, int]:
    archives, vaults = db.execute("SELECT COALESCE(SUM(live_archives), 0), COUNT(*) FROM vaults").fetchone()
    (uploads,) = db.execute("SELECT COUNT(*) FROM uploads WHERE state = 'open'").fetchone()
    (jobs,) = db.execute("SELECT COUNT(*) FROM jobs").fetchone()
    (buckets,) = db.execute("SELECT COUNT(*) FROM buckets").fetchone()
    (objects,) = db.execute("SELECT COUNT(*) FROM objects").fetchone()
    (object_uploads,) = db.execute("SELECT COUNT(*) FROM object_uploads WHERE etag IS NULL").fetchone()
    deleted, byte_days = db.execute(
        "SELECT COUNT(*), COALESCE(SUM(size * days_left), 0) FROM early_deletions"
    ).fetchone()
    return {
        "archives": archives,
        "buckets": buckets,
        "early_deletions": deleted,
        "early_deletion_byte_days": byte_days,
        "jobs": jobs,
        "object_uploads": object_uploads,
        "objects": objects,
        "uploads": uploads,
        "vaults": vaults,
    }


async def _health(site: Site, _content: Any) -> dict[str, Any]:
    await site.database.read(lambda db: db.execute("SELECT 1").fetchone())
    return {"status": "ok"}


async def reset(site: Site) -> None:
    """Remove everything that was stored, and all faults, but do not move the clock."""
    site.faults.clear()
    await site.database.write(endings.remove_all)
    await site.housekeeping.cleaned()


async def _reset(site: Site, _content: Any) -> dict[str, Any]:
    await reset(site)
    return await _status(site, None)


async def _clock(site: Site, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or "advance_seconds" not in content:
        raise ValueError('the clock is moved by {"advance_seconds": SECONDS}')
    await advance(site, float(content["advance_seconds"]))
    return await _status(site, None)


async def _inventory(site: Site, _content: Any) -> dict[str, Any]:
    taken = await site.database.write(partial(snapshots.take_all, now=site.clock.milliseconds()))
    return {"inventories": taken}


async def _add_faults(site: Site, content: Any) -> dict[str, Any]:
    faults = parse_faults(content)
    if any(fault.kind is FaultKind.KILL for fault in faults):
        raise ValueError("a fault that kills the process is set when the server is started, not from outside")
    site.faults.add(*faults)
    return {"faults": site.faults.snapshot()}


async def _clear_faults(site: Site, _content: Any) -> dict[str, Any]:
    site.faults.clear()
    return {"faults": []}


_COMMANDS: Final[dict[tuple[str, str], Callable[[Site, Any], Awaitable[dict[str, Any]]]]] = {
    ("GET", "health"): _health,
    ("GET", "status"): _status,
    ("POST", "reset"): _reset,
    ("POST", "clock"): _clock,
    ("POST", "inventory"): _inventory,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
}
