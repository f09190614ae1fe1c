"""Fixtures of the tests of transfers: an honest store in memory, a served Glacier, and bytes."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import HealthCheck, settings

from aioglacier.client.glacier import Glacier
from aioglacier.core.errors import IntegrityError, InvalidParameterError, UploadNotFoundError, naming
from aioglacier.core.models import Archive, ArchiveId, UploadId
from aioglacier.core.ranges import is_tree_hash_aligned
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.http.request_bodies import change_in, slices_of
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.proofs import TREE_PROOFS, TreeProofs
from aioglacier.transfer.hashing import workers
from aioglacier.transfer.resources import open_resources
from aioglacier.transfer.store import VAULT_RULES
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from aioglacier.transfer.upload.writer import UploadOptions
from tests.scripted import GivenServices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from aioglacier.client.vault import Vault
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import Body, Progress
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.resources import TransferResources

# Its examples move some MiB each, so there are fewer; how many there are otherwise, the current profile says.
settings.register_profile(
    "transfer", max_examples=settings().max_examples // 2, suppress_health_check=[HealthCheck.too_slow]
)

MIB = 1024 * 1024

#: Random bytes that every test cuts its archives from.
DATA = random.Random(7).randbytes(12 * MIB)  # noqa: S311  # repeatable, not secret


@pytest.fixture(autouse=True)
def _workers_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts above 1 MiB wait for a worker, as larger ones do for users, so that a few MiB are enough."""
    monkeypatch.setattr(workers, "LARGEST_IN_THREAD", workers.SMALL_PART_SIZE)


async def proceed(_: int | str) -> None:
    """Nothing stands in the way."""
    await anyio.lowlevel.checkpoint()


async def read_whole(body: Body) -> bytes:
    """Return all bytes of a small body."""
    slices, whole = slices_of(body), bytearray()
    while len(whole) < body.nbytes:
        whole += await slices.take(len(whole), MIB)
    return bytes(whole)


class MemoryStore:
    """An ``ArchiveStore`` that keeps everything in memory, and checks it.

    Attributes:
        before: Awaited with "whole", "initiate", "complete", "abort" or a part's offset, before its effect.
        after: The same, after the effect and before the answer.
        archives: What was stored.
        uploads: The parts of every unfinished upload, by offset.
        calls: How often each was called.
        bodies: Part bodies being sent now, and the most that ever were.
    """

    rules = VAULT_RULES

    def __init__(self) -> None:
        self.before: Callable[[int | str], Awaitable[None]] = proceed
        self.after: Callable[[int | str], Awaitable[None]] = proceed
        self.archives: list[bytes] = []
        self.uploads: dict[UploadId, dict[int, bytes]] = {}
        self.calls: Counter[int | str] = Counter()
        self.part_size = 0
        self.bodies = 0
        self.most_bodies = 0

    async def store_whole(
        self,
        body: Body,
        hashes: PartHashes,
        progress: Progress | None,
        before_last: Callable[[], Awaitable[None]] | None = None,
    ) -> Archive:
        """Store the archive in one request."""
        if before_last is not None:
            await before_last()
        await self._reach("whole")
        data = await self._read(body, hashes)
        if progress is not None:
            progress(len(data))
        return await self._store(data, "whole")

    async def initiate(self, part_size: int) -> UploadId:
        """Begin an upload."""
        await self._reach("initiate")
        self.part_size = part_size
        upload_id = UploadId(f"upload-{self.calls['initiate']}")
        self.uploads[upload_id] = {}
        await self.after("initiate")
        return upload_id

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> None:
        """Store one part."""
        self.bodies += 1
        self.most_bodies = max(self.most_bodies, self.bodies)
        try:
            await self._reach(start)
            parts = self._upload(upload_id)
            assert start % self.part_size == 0
            data = await self._read(body, hashes)
            assert len(data) <= self.part_size
            if progress is not None:
                progress(len(data))
            parts[start] = data
            await self.after(start)
        finally:
            self.bodies -= 1

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> Archive:
        """Make the parts one archive, as strict as the service."""
        assert not any(receipts), "a vault gives none"
        await self._reach("complete")
        parts = self._upload(upload_id)
        body = b"".join(parts[start] for start in sorted(parts))
        if len(body) != size or any(start % self.part_size for start in parts) or not body:
            raise refused("CompleteMultipartUpload", "the sizes differ")
        self._check(memoryview(body), None, tree_hash)
        del self.uploads[upload_id]
        return await self._store(body, "complete")

    async def abort(self, upload_id: UploadId) -> None:
        """Forget the upload."""
        await self._reach("abort")
        self.uploads.pop(upload_id, None)
        await self.after("abort")

    async def _reach(self, place: int | str) -> None:
        self.calls[place] += 1
        await self.before(place)

    async def _store(self, body: bytes, place: str) -> Archive:
        self.archives.append(body)
        await self.after(place)
        archive_id = ArchiveId(f"archive-{len(self.archives)}")
        return Archive(archive_id, "v", len(body), tree_hash(body), "", datetime.now(UTC))

    def _upload(self, upload_id: UploadId) -> dict[int, bytes]:
        if upload_id not in self.uploads:
            raise UploadNotFoundError(
                "there is no such upload", operation="", code="ResourceNotFoundException", status=404
            )
        return self.uploads[upload_id]

    async def _read(self, body: Body, hashes: PartHashes) -> bytes:
        """As a gateway does, tell bytes that differ from their hash from a file that has changed."""
        data = await read_whole(body)
        try:
            self._check(memoryview(data), hashes)
        except IntegrityError as error:
            raise await change_in(body) or error from None
        return data

    @staticmethod
    def _check(body: memoryview, hashes: PartHashes | None, expected: bytes = b"") -> None:
        actual = hash_part(body)
        if (hashes or actual) != actual or (expected or actual.tree_hash) != actual.tree_hash:
            raise IntegrityError("the bytes differ", expected=expected, actual=actual.tree_hash)


class MemoryOutput:
    """An ``ArchiveOutput`` in memory, honest about which ranges it vouches for.

    Attributes:
        before: Awaited with each range before its bytes are given.
        damage: How often the byte at an offset is still to be given wrong.
        vouches: Whether ranges that are nodes of the tree come with their hash.
        asked: The ranges that were asked for.
        opened: Answers that are open now.
    """

    def __init__(self, data: bytes, *, name: str = "job 1", has_hash: bool = True) -> None:
        self._data = data
        self.size = len(data)
        self.whole_hash = tree_hash(data) if has_hash else None
        self.proofs: TreeProofs = TREE_PROOFS
        self.allows_unverified = True
        self.name = name
        self.before: Callable[[ByteRange], Awaitable[None]] = proceed_range
        self.damage: dict[int, int] = {}
        self.vouches = True
        self.asked: list[ByteRange] = []
        self.opened = 0

    def naming(self) -> AbstractContextManager[None]:
        """Errors name the vault "v"."""
        return naming(vault="v")

    def recorded_hash(self, byte_range: ByteRange) -> bytes | None:  # noqa: ARG002  # as in the protocol
        """Nothing is on record."""
        return None

    @asynccontextmanager
    async def open(self, byte_range: ByteRange) -> AsyncIterator[MemoryAnswer]:
        """Open some of the bytes."""
        self.asked.append(byte_range)
        self.opened += 1
        try:
            await self.before(byte_range)
            body = bytearray(self._data[byte_range.start : byte_range.stop])
            is_node = self.vouches and is_tree_hash_aligned(byte_range, self.size)
            vouched = tree_hash(body) if is_node else None
            for offset, times in self.damage.items():
                if byte_range.start <= offset < byte_range.stop and times:
                    self.damage[offset] -= 1
                    body[offset - byte_range.start] ^= 1
            yield MemoryAnswer(bytes(body), self.size, vouched)
        finally:
            self.opened -= 1


async def proceed_range(_: ByteRange) -> None:
    """Nothing stands in the way."""
    await anyio.lowlevel.checkpoint()


class MemoryAnswer:
    """Some bytes of an output."""

    def __init__(self, body: bytes, total: int, vouched: bytes | None) -> None:
        self._body = body
        self._given = 0
        self.start = 0
        self.size = len(body)
        self.total = total
        self.head = vouched

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, in blocks that respect no boundary."""
        while self._given < self.size:
            yield await self._next_block()

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """The next bytes, in the same blocks."""
        assert len(view) <= self.size - self._given
        at = 0
        while at < len(view):
            block = await self._next_block(len(view) - at)
            view[at : at + len(block)] = block
            at += len(block)
            progress(len(block))

    async def _next_block(self, most: int = 99_999) -> bytes:
        await anyio.lowlevel.checkpoint()
        block = self._body[self._given : self._given + min(most, 99_999)]
        self._given += len(block)
        return block


def refused(operation: str, message: str) -> InvalidParameterError:
    """The service's answer to nonsense."""
    return InvalidParameterError(
        message, operation=operation, code="InvalidParameterValueException", status=400
    )


def options(part_size: int | None = MIB, **more: bool | int | None) -> UploadOptions:
    """Return the options of an upload to a store in memory."""
    return UploadOptions("v", None, part_size, **more)  # type: ignore[arg-type]  # each test knows its own


def saved(path: Path, data: bytes = DATA) -> Path:
    """A file with data."""
    path.write_bytes(data)
    return path


def blocks(data: bytes, size: int = 300_000) -> Iterator[bytes]:
    """Yield data piece by piece."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def upload(
    source: object,
    store: MemoryStore,
    resources: TransferResources,
    *,
    part_size: int = MIB,
    expected_size: int | None = None,
) -> None:
    """Archive a source in parts of 1 MiB, unless more is said."""
    opened = await as_source(source)  # type: ignore[arg-type]  # some tests hand over what is none
    await SourceUpload(store, resources, options(part_size, expected_size=expected_size), opened).run()


@asynccontextmanager
async def thread_resources(memory: int = 16 * MIB, **more: Any) -> AsyncIterator[TransferResources]:
    """Resources that hash in threads; every buffer must be back at the end."""
    async with open_resources(Limits(memory=memory, **more), "threads") as resources:
        yield resources
        assert resources.buffers.lent == 0


@pytest.fixture
async def resources() -> AsyncIterator[TransferResources]:
    """Resources that hash in threads: 16 MiB, two workers, two connections."""
    async with thread_resources(hash_workers=2, concurrency=2) as opened:
        yield opened


@pytest.fixture
def store() -> MemoryStore:
    """A store without archives."""
    return MemoryStore()


class Served:
    """A local Glacier, and a client of it that does not wait long before it tries again.

    Attributes:
        counted: Meets every request.
    """

    def __init__(
        self, server: LocalGlacier, gateway: Gateway, resources: TransferResources, vault: Vault
    ) -> None:
        self.server = server
        self.gateway = gateway
        self.resources = resources
        self.glacier = Glacier(GivenServices(gateway), resources)
        self.vault = vault

    def fail(self, *faults: Fault) -> None:
        """Let things go wrong."""
        self.server.faults.add(*faults)

    def watch(self, *operations: str) -> Callable[[], dict[str, int]]:
        """Count requests from now on; call the answer for the counts so far."""
        first = len(self.server.faults.snapshot())
        self.server.faults.add(*(Fault(operation, count=0) for operation in operations))

        def counts() -> dict[str, int]:
            return {
                str(one["operation"]): int(one["met"])
                for one in self.server.faults.snapshot()[first : first + len(operations)]
            }

        return counts

    async def uploads(self) -> list[str]:
        """The ids of all unfinished uploads."""
        return [upload.id async for upload in self.vault.uploads()]

    async def archives(self) -> list[tuple[int, bytes]]:
        """Size and tree hash of every archive, by the inventory."""
        if not (await self.vault.describe()).archive_count:
            return []
        job = await self.vault.retrieve_inventory()
        return [(archive.size, archive.tree_hash) async for archive in job.inventory()]


#: Patience for tests: the trouble they script ends after a few attempts, or never.
QUICK = RetryPolicy(no_progress_seconds=0.4, first_ceiling_seconds=0.01, longest_wait_seconds=0.05)


@asynccontextmanager
async def serve(
    directory: Path, limits: Limits, hash_in: HashIn = "auto", policy: RetryPolicy = QUICK
) -> AsyncIterator[Served]:
    """A local Glacier with one vault, and a client."""
    async with (
        LocalGlacier(directory, job_delay=0, inventory_lag=0, is_durable=False) as server,
        open_gateway(
            GatewayOptions(
                region_name="us-east-1",
                endpoint_url=server.url,
                aws_access_key_id="a",
                aws_secret_access_key="b",
            )
        ) as gateway,
        open_resources(limits, hash_in) as resources,
    ):
        retrying = RetryingGateway(gateway, policy)
        vault = await Glacier(GivenServices(retrying), resources).create_vault("v")
        yield Served(server, retrying, resources, vault)
        assert resources.buffers.lent == 0


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A local Glacier and a client that hashes in threads."""
    async with serve(tmp_path / "glacier", Limits(memory=24 * MIB, hash_workers=2), "threads") as opened:
        yield opened


async def cancel_when_blocked(scope: anyio.CancelScope) -> None:
    """Cancel a scope when every task waits."""
    await wait_all_tasks_blocked()
    scope.cancel()


def count_descriptors() -> int:
    """Open descriptors of this process, 0 where they cannot be counted."""
    with suppress(OSError):
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    return 0
