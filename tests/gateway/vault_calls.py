"""Calls of every kind, to send the same trouble to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId, JobId, UploadId
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.contract.protocols import RawRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.vaults.caller import VaultCaller

PART = memoryview(bytes(range(256)) * (8 * MIB // 256))
HASHES = hash_part(PART)
UPLOAD = UploadId("UPLOAD")


async def send_part(gateway: VaultCaller, moved: list[int] | None = None) -> None:
    """Send one part of 8 MiB."""
    await gateway.upload_multipart_part(
        "photos", UPLOAD, PART, start=0, hashes=HASHES, progress=None if moved is None else moved.append
    )


async def read_output(gateway: VaultCaller, byte_range: ByteRange | None = None) -> bytes:
    """Return all bytes of a job's output."""
    async with gateway.get_job_output("photos", JobId("JOB"), byte_range) as output:
        return b"".join([block async for block in output])


CALLS: dict[str, Callable[[VaultCaller], Awaitable[Any]]] = {
    "control GET": lambda gateway: gateway.describe_vault("photos"),
    "control PUT": lambda gateway: gateway.create_vault("photos"),
    "control POST": lambda gateway: gateway.initiate_vault_lock("photos", "{}"),
    "control DELETE": lambda gateway: gateway.delete_archive("photos", ArchiveId("A")),
    "part": send_part,
    "archive": lambda gateway: gateway.upload_archive("photos", PART, hashes=HASHES),
    "output": read_output,
    "raw": lambda gateway: gateway.request(RawRequest("GET", "vaults/photos")),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
