"""The source of a download: the protocol of a place that gives bytes back, and a job's output as one.

``fetch_piece`` is the way of one piece down: bytes into a buffer, hashed, compared with the hash
that the service vouches with, and fetched again if they differ. To a file, pieces go as ``slices`` does it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import anyio

from aioglacier.core.errors import IntegrityError, naming
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import HASH_SIZE, combine_leaves
from aioglacier.transfer.download.proofs import TREE_PROOFS
from aioglacier.transfer.hashing.part_job import PartJob

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from aioglacier.core.models import JobId
    from aioglacier.gateway.contract.protocols import Output
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.proofs import TreeProofs
    from aioglacier.transfer.resources import TransferResources

    #: The hash that the service states, if it states one, and the hash of the bytes that came.
    Fetched = tuple[bytes | None, bytes]

_log: Final = logging.getLogger("aioglacier.transfer")

#: A piece that fails its hash is fetched this often in all, so that a flipped bit on the way costs one piece.
MAX_FETCHES: Final = 3

_LARGEST_PIECE: Final = 16 * MIB
_PIECES: Final = 16


class ArchiveOutput(Protocol):
    """Bytes that can be retrieved in ranges.

    Attributes:
        whole_hash: The hash of the whole, where it is known and pieces make it.
        allows_unverified: Whether bytes without a known hash may be given out.
        name: What to call them in messages.
        proofs: The way to verify them.
    """

    whole_hash: bytes | None
    allows_unverified: bool
    name: str
    proofs: TreeProofs

    @property
    def size(self) -> int:
        """The number of bytes."""
        ...

    def naming(self) -> AbstractContextManager[None]:
        """Set the place's name on every error that leaves the block."""
        ...

    def open(self, byte_range: ByteRange) -> AbstractAsyncContextManager[Output[bytes | None]]:
        """Open some of the bytes, counted from the start of the output; other bytes are an error."""
        ...

    def recorded_hash(self, byte_range: ByteRange) -> bytes | None:
        """Return the hash that these bytes had when they were uploaded, where it is known before."""
        ...


class JobSource(NamedTuple):
    """The output of a finished job as plain data.

    Attributes:
        vault: The vault.
        job_id: The job.
        total: Bytes of the output.
        tree_hash: Of the archive or range that the job retrieved; ``None`` if the service gives none.
        allows_unverified: Whether bytes without any hash are taken.
    """

    vault: str
    job_id: JobId
    total: int
    tree_hash: bytes | None
    allows_unverified: bool


class GlacierOutput:
    """The output of a finished job, or a range of it that begins at a multiple of 1 MiB.

    ``leaves`` are the leaf hashes of these bytes from their upload, joined, where they are on record. With
    them every piece is verified, also one for which the service gives no hash.
    """

    def __init__(
        self,
        gateway: Gateway,
        vault: str,
        job_id: JobId,
        *,
        size: int,
        tree_hash: bytes | None,
        part: ByteRange | None = None,
        leaves: bytes = b"",
        allows_unverified: bool = False,
        proofs: TreeProofs = TREE_PROOFS,
    ) -> None:
        self.allows_unverified = allows_unverified
        self.proofs = proofs
        self._gateway = gateway
        self._vault = vault
        self._job_id = job_id
        self._total = size
        self._part = part or ByteRange(0, size)
        self._leaves = leaves
        is_whole = self._part.size == size
        self.whole_hash = tree_hash if is_whole else None
        if self.whole_hash is None and leaves:
            self.whole_hash = combine_leaves(leaves)
        self.name = f"job {job_id}" if is_whole else f"job {job_id}, bytes {self._part}"

    @property
    def size(self) -> int:
        """See ``ArchiveOutput``."""
        return self._part.size

    @property
    def shared(self) -> JobSource | None:
        """The same as plain data for other processes; ``None`` for a part, whose pieces they cannot prove."""
        if self._part.size != self._total:
            return None
        return JobSource(self._vault, self._job_id, self._total, self.whole_hash, self.allows_unverified)

    def naming(self) -> AbstractContextManager[None]:
        """See ``ArchiveOutput``."""
        return naming(vault=self._vault)

    def open(self, byte_range: ByteRange) -> AbstractAsyncContextManager[Output[bytes | None]]:
        """GetJobOutput; the whole is asked for without a range, as any server understands that."""
        if byte_range.size == self._total:
            return self._gateway.get_job_output(self._vault, self._job_id, total=self._total)
        start = self._part.start
        wanted = ByteRange(start + byte_range.start, start + byte_range.stop)
        return self._gateway.get_job_output(self._vault, self._job_id, wanted, total=self._total)

    def recorded_hash(self, byte_range: ByteRange) -> bytes | None:
        """See ``ArchiveOutput``."""
        if not self._leaves:
            return None
        first, last = byte_range.start // MIB, -(-byte_range.stop // MIB)
        return combine_leaves(self._leaves[first * HASH_SIZE : last * HASH_SIZE])


def choose_piece_size(resources: TransferResources, share: int = 2) -> int:
    """Return the bytes to fetch at once: 16 MiB, or less to give each connection one in that share of memory.

    The share is half, or a quarter where ``share`` is 4. Only the first sixteen connections count:
    pieces get no smaller for the sake of more, since each costs a round trip.
    """
    size = _LARGEST_PIECE
    while size > MIB and size * min(resources.parts_at_once, _PIECES) > resources.buffers.limit // share:
        size //= 2
    return size


class PiecePlaces:
    """The number of pieces that a download holds: no more than half of the memory, or two.

    Each piece holds a buffer, and fresh memory costs more than anything else about a piece. So only one piece
    waits for a connection while their number is at its most. A few wait while the number may still grow,
    because only waiting pieces show that it holds them back.
    """

    def __init__(self, resources: TransferResources, piece_size: int) -> None:
        self._resources = resources
        self._most = max(2, min(resources.parts_at_once, resources.buffers.limit // 2 // piece_size))
        self._held = 0
        self._released = anyio.Event()

    async def acquire(self) -> None:
        """Wait until another piece may be held."""
        resources, controller = self._resources, self._resources.connections.controller
        while self._held >= min(self._most, controller.limit + resources.parts_ahead, controller.ceiling + 1):
            if self._released.is_set():  # or another task waits for it already
                self._released = anyio.Event()
            await self._released.wait()
        self._held += 1

    def release(self) -> None:
        """Let another piece be held."""
        self._held -= 1
        self._released.set()


async def fetch_piece(
    output: ArchiveOutput,
    resources: TransferResources,
    byte_range: ByteRange,
    buffer: PartBuffer,
    *,
    count: Callable[[int], None],
) -> bytes:
    """Fetch bytes into a buffer, verify them, and return the hash that proves them.

    Raises:
        IntegrityError: They differed from the service's hash each of three times.
        GlacierError: They could not be fetched.
    """

    async def attempt() -> Fetched:
        async with (
            resources.connections.exchange(byte_range.size, count) as moved,
            output.open(byte_range) as answer,
        ):
            await answer.receive_into(buffer.view[: byte_range.size], moved)
        if not output.proofs.hashes:
            return None, b""
        hashes = await resources.hasher.run(PartJob(byte_range.size, None, output.proofs.hashes), buffer)
        return answer.head, output.proofs.of(hashes)

    return await until_undamaged(output, byte_range, attempt, count=count)


async def until_undamaged(
    output: ArchiveOutput,
    byte_range: ByteRange,
    attempt: Callable[[], Awaitable[Fetched]],
    *,
    count: Callable[[int], None],
) -> bytes:
    """Fetch bytes until they are what the service vouches for, and return the hash that proves them.

    If neither the service nor the record has a hash of these bytes, the caller compares the whole.

    Raises:
        IntegrityError: They differed each of three times, or no hash is known of them, nor of the whole.
    """
    failures = 0
    while True:
        promised, actual = await attempt()
        promised = promised or output.recorded_hash(byte_range)
        if promised is None and output.whole_hash is None and not output.allows_unverified:
            raise unverifiable(output.name, byte_range)
        if promised is None or promised == actual:
            return actual
        failures += 1
        _log.warning(
            "bytes %s of %s came damaged, %d of %d times", byte_range, output.name, failures, MAX_FETCHES
        )
        if failures == MAX_FETCHES:
            raise IntegrityError(
                f"bytes {byte_range} of {output.name} came damaged {failures} times",
                expected=promised,
                actual=actual,
                byte_range=byte_range,
            )
        count(-byte_range.size)  # they come once more


def unverifiable(name: str, byte_range: ByteRange) -> IntegrityError:
    """Return the error for bytes that neither the service nor the catalog has a hash of."""
    return IntegrityError(
        f"bytes {byte_range} of {name} cannot be verified: they are no node of the archive's tree hash, and "
        "no catalog has the hashes of its upload. Retrieve the whole archive, or allow unverified bytes "
        "(unverified=True, --unverified)",
        expected=b"",
        actual=b"",
        byte_range=byte_range,
    )
