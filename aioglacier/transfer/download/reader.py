"""The reader: the bytes of an output in order, each verified before it is given out.

Pieces are fetched ahead, several at once, each a node of the archive's tree that the service vouches for,
into buffers of the same budget as everything else. A range that begins or ends inside a MiB is fetched to the
next MiB on either side and cut here, so its bytes are verified as well.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from aioglacier.core.errors import (
    IntegrityError,
    InvalidRangeError,
    MemoryLimitError,
    WriterBusyError,
    WriterClosedError,
)
from aioglacier.core.ranges import NO_BYTES, ByteRange, whole_range
from aioglacier.files.reading import copy_bytes
from aioglacier.tasks.dropped import OwnerTask, warn_dropped
from aioglacier.transfer.download.pace import ReadingPace
from aioglacier.transfer.download.retrieval_source import choose_piece_size, fetch_piece
from aioglacier.transfer.snapshot import TransferSnapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import TaskGroup

    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.download.retrieval_source import ArchiveOutput
    from aioglacier.transfer.resources import TransferResources

T = TypeVar("T")

#: Bytes of one block that iteration gives out.
_BLOCK_SIZE: Final = 1024 * 1024

#: A reader fetches ahead into a quarter of the memory: bytes that are given out in order wait for each other
#: there, and programs that read also hold what they make of the bytes.
_SHARE: Final = 4

#: A larger piece only makes the program wait longer for its first byte, and takes more memory.
_LARGEST_PIECE: Final = 8 * 1024 * 1024

#: Pieces that are allowed in any case, also beyond the share: one is given out while the next is fetched.
_FEWEST: Final = 2


class ArchiveReader:
    """Gives the bytes of an output, or a range of it, in order; each is verified before it is given.

    Made by ``Job.open_reader()``. For one task at a time.
    """

    def __init__(self, output: ArchiveOutput, byte_range: ByteRange, ahead: _PiecesAhead) -> None:
        self._output = output
        self._range = byte_range
        self._ahead = ahead
        self._proofs: list[tuple[int, bytes]] = []
        self._position = byte_range.start
        self._busy = False
        self._failure: IntegrityError | None = None

    def __repr__(self) -> str:
        return (
            f"<ArchiveReader {self._output.name} position={self._position - self._range.start} "
            f"of {self._range.size} ahead={len(self._ahead.pieces)}>"
        )

    @property
    def size(self) -> int:
        """Bytes it gives in all."""
        return self._range.size

    def snapshot(self) -> TransferSnapshot:
        """Return the counters now."""
        given = self._position - self._range.start
        ahead = self._ahead
        return TransferSnapshot(self.size, given, ahead.moved, given, len(self._proofs), len(ahead.pieces))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next block, of up to 1 MiB."""
        if block := await self.read(_BLOCK_SIZE):
            return block
        raise StopAsyncIteration

    async def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, fewer only where a piece or the range ends; ``b""`` at the end.

        With a negative size, everything that is left: mind the memory.

        Raises:
            IntegrityError: Bytes differ from what the service vouches for, or the whole from its tree hash.
                What was given out before was verified piece by piece.
            GlacierError: They could not be fetched.
        """
        if size < 0:
            blocks = [block async for block in self]
            return b"".join(blocks)
        return await self._give(size, bytes) or b""

    def narrow(self, size: int) -> None:
        """Fetch at most so many bytes ahead, but two pieces; without this it is a quarter of the memory."""
        self._ahead.narrow(size)

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill a writable buffer as ``read()`` does, and return the number of bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")

        def copy(block: memoryview) -> int:
            copy_bytes(view, block)
            return len(block)

        return await self._give(len(view), copy) or 0

    async def _give(self, size: int, take: Callable[[memoryview], T]) -> T | None:
        """Let ``take`` take up to ``size`` bytes, and return its result; ``None`` at the end."""
        if self._ahead.is_stopped:
            raise WriterClosedError("the reader is closed; open another one")
        if self._busy:
            raise WriterBusyError("another task is inside this reader")
        self._busy = True
        try:
            with self._output.naming():
                return await self._give_alone(size, take)
        finally:
            self._busy = False

    async def _give_alone(self, size: int, take: Callable[[memoryview], T]) -> T | None:
        if self._failure is not None:
            raise self._failure
        if not size or self._position >= self._range.stop:
            return None
        piece = await self._ahead.first()
        start = self._position - piece.byte_range.start
        end = min(piece.byte_range.stop, self._range.stop) - piece.byte_range.start
        stop = min(start + size, end)
        with piece.buffer.view[start:stop] as block:  # a view that lives on would keep the buffer's memory
            taken = take(block)
        self._position += stop - start
        if stop == end:
            self._ahead.drop_first()  # its buffer is needed for the next one
            self._proofs.append((piece.byte_range.size, piece.proof))
            self._check_whole()
        return taken

    def _check_whole(self) -> None:
        expected = self._output.whole_hash
        is_whole = self._range == whole_range(self._output.size) and self._position == self._range.stop
        if expected is None or not is_whole:
            return
        if (actual := self._output.proofs.combine(self._proofs)) != expected:
            self._failure = IntegrityError(
                f"the whole of {self._output.name} differs", expected=expected, actual=actual
            )
            raise self._failure


class _PiecesAhead:
    """The pieces of a reader that are fetched or wait to be given out, in order."""

    def __init__(
        self, output: ArchiveOutput, resources: TransferResources, byte_range: ByteRange, tasks: TaskGroup
    ) -> None:
        self._output = output
        self._resources = resources
        self._tasks = tasks
        wanted = _choose_piece_size(resources)
        self._piece_size = output.proofs.largest(wanted)
        if self._piece_size > resources.buffers.limit:
            raise MemoryLimitError(part_size=self._piece_size, memory_limit=resources.buffers.limit)
        self._planned = output.proofs.pieces(byte_range, output.size, wanted)
        self.pieces: deque[_Piece] = deque()
        self._pace = ReadingPace(max(_FEWEST, resources.buffers.limit // _SHARE // self._piece_size))
        self.moved = 0
        self.is_stopped = False

    async def first(self) -> _Piece:
        """Wait for the first piece, with others under way."""
        await self._fetch_ahead()
        piece = self.pieces[0]
        if not piece.ended.is_set():
            self._pace.note_wait()
            await self._fetch_ahead()
        await piece.ended.wait()
        if piece.failure is not None:
            raise piece.failure
        return piece

    def narrow(self, size: int) -> None:
        """Fetch at most so many bytes ahead, but two pieces."""
        self._pace.narrow(max(_FEWEST, size // self._piece_size))

    def drop_first(self) -> None:
        """Give back the buffer of the first piece."""
        self._pace.note_given()
        self._resources.buffers.release(self.pieces.popleft().buffer)

    def stop(self) -> None:
        """Stop what is being fetched."""
        self.is_stopped = True
        for piece in self.pieces:
            piece.scope.cancel()

    async def _fetch_ahead(self) -> None:
        """Keep pieces under way for every connection; wait for memory only while there are none at all."""
        buffers = self._resources.buffers
        while len(self.pieces) < min(self._pace.at_once, self._resources.parts_at_once):
            if self.pieces:
                buffer = buffers.try_acquire(self._piece_size)
            else:
                buffer = await buffers.acquire(self._piece_size)
            if buffer is None:
                return
            byte_range = next(self._planned, None)
            if byte_range is None:
                buffers.release(buffer)
                return
            piece = _Piece(byte_range, buffer)
            self.pieces.append(piece)
            self._tasks.start_soon(self._fetch, piece)

    async def _fetch(self, piece: _Piece) -> None:
        try:
            with piece.scope:
                piece.proof = await fetch_piece(
                    self._output, self._resources, piece.byte_range, piece.buffer, count=self._count
                )
        except Exception as error:  # noqa: BLE001  # the reader raises it when it comes to this piece
            piece.failure = error
        finally:
            piece.ended.set()

    def _count(self, moved: int) -> None:
        self.moved += moved


@asynccontextmanager
async def open_reader(
    output: ArchiveOutput, resources: TransferResources, byte_range: ByteRange | tuple[int, int] | None = None
) -> AsyncIterator[ArchiveReader]:
    """Open a reader; the end of the block drops what is still being fetched."""
    range_ = checked_range(byte_range, output.size)
    if output.proofs.hashes:
        resources.hasher.expect(range_.size, _choose_piece_size(resources))
    tasks = anyio.create_task_group()
    await tasks.__aenter__()
    ahead = _PiecesAhead(output, resources, range_, tasks)
    reader = ArchiveReader(output, range_, ahead)
    owner, failure = OwnerTask(), None
    try:
        yield reader
    except BaseException as error:
        failure = type(error)
        raise
    finally:
        ahead.stop()
        if owner.has_dropped(failure):
            warn_dropped(repr(reader), source=reader)
        else:
            await _leave(ahead, tasks)


async def _leave(ahead: _PiecesAhead, tasks: TaskGroup) -> None:
    # The group is left by hand: its tasks never raise, so the caller's own error leaves unwrapped. Each was
    # stopped by itself: before Python 3.13 the end of a cancelled group is itself a cancellation if an
    # asyncio.TaskGroup in the caller's block has failed meanwhile.
    tasks.cancel_scope.shield = True
    try:
        await tasks.__aexit__(None, None, None)
    finally:  # it raises where the caller was cancelled, too
        while ahead.pieces:
            ahead.drop_first()


def _choose_piece_size(resources: TransferResources) -> int:
    return min(_LARGEST_PIECE, choose_piece_size(resources, _SHARE))


def checked_range(byte_range: ByteRange | tuple[int, int] | None, size: int) -> ByteRange:
    """Return a range of ``size`` bytes, all of them for ``None``, cut at their end.

    Raises:
        InvalidRangeError: It is no range, or begins past the end.
    """
    try:
        range_ = whole_range(size) if byte_range is None else byte_range
        range_ = range_ if isinstance(range_, ByteRange) else ByteRange(*range_)
    except (TypeError, ValueError) as error:
        raise InvalidRangeError(f"{byte_range!r} is no byte range: {error}", byte_range=None) from error
    if range_ == NO_BYTES:
        return range_
    if range_.start >= size:
        raise InvalidRangeError(
            f"bytes {range_} begin past the end of the output, which has {size}", byte_range=range_
        )
    return ByteRange(range_.start, min(range_.stop, size))


@dataclass(slots=True, eq=False)
class _Piece:
    """A piece on its way down."""

    byte_range: ByteRange
    buffer: PartBuffer
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    failure: Exception | None = None
    proof: bytes = b""
