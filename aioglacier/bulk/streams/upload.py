"""Archive a stream of any length: when an archive has all the parts it can have, the next one begins.

Each piece is an upload in parts, on record before the service hears of it, whose description names the stream
and the piece. So at whatever moment a process dies, the next run finds each piece made, open or not begun, in
that order, and the manifest last:

- made: its bytes are not sent again. If the caller reads the stream from its beginning, they are hashed and
  compared; if it continues from a position, they came before it.
- open: the parts at the service are compared with the stream, or lie before that position.
- perhaps made: a repeated completion shows it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aioglacier.bulk.streams.manifest import Manifest, Piece, describe_manifest, describe_piece
from aioglacier.bulk.upload_in_parts import open_in_parts
from aioglacier.core.checks import check_description
from aioglacier.core.errors import (
    ConfigurationError,
    EmptyArchiveError,
    InvalidPlanError,
    ResumeMismatchError,
)
from aioglacier.core.limits import MIB, VAULT
from aioglacier.core.planning import choose_part_size
from aioglacier.core.treehash import TreeHash, tree_hash
from aioglacier.recorded.outcome import Made, Open, find_outcome
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.snapshot import TransferSnapshot
from aioglacier.transfer.upload.sources import as_stream

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aioglacier.catalog import UploadRecord
    from aioglacier.catalog.streams import StreamRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.core.s3.objects import ArchivedObject
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import ArchiveWriter

    _Writer = ArchiveWriter[Archive] | ArchiveWriter[ArchivedObject]


class StreamUpload:
    """Archives one stream in as many archives as it takes. Run it once; ``snapshot`` shows its progress.

    It takes the memory of one writer, and needs a catalog.
    """

    def __init__(
        self,
        place: Vault | Bucket,
        source: object,
        *,
        key: str = "",
        description: str | None = None,
        part_size: int | None = None,
        parts: int = VAULT.max_parts,
        stream: str | None = None,
        position: int | None = None,
    ) -> None:
        """Prepare the upload; send and record nothing.

        Args:
            place: The vault, or the bucket with the class of the pieces.
            source: What ``Vault.upload`` takes, except paths.
            key: In a bucket, the key of the manifest, which is kept in STANDARD. Those of the pieces begin
                with it.
            description: Kept with each piece and the manifest.
            part_size: As in ``Vault.open_writer``.
            parts: The parts of an archive before the next one begins; at most 10,000.
            stream: The name of a stream to continue, from a former run's ``stream``.
            position: Where in that stream the source begins; by default at the beginning, so that bytes sent
                before are compared. Any other must be the one that a refusal names.

        Raises:
            InvalidPlanError: The part size, number of parts, description or key is out of range, or a bucket
                has no class.
        """
        if not 1 <= parts <= VAULT.max_parts:
            raise InvalidPlanError(f"an archive has 1 to {VAULT.max_parts:,} parts, not {parts}")
        if position is not None and stream is None:
            raise InvalidPlanError("a position needs the name of the stream that continues there")
        self._key = key
        self._part_size = choose_part_size(None, part_size, place.context.limits)
        place.context.upload_options(name=key or "piece")  # refuses a bucket without a class
        self._description = description or ""
        check_description(self._description)
        check_description(describe_piece("0" * 16, 999_999, self._description))  # the longest of a piece
        self._place = place
        self._source = _Ahead(as_stream(source))
        self._parts = parts
        self._name = stream
        self._from = position
        self._kept: _KeptStream | None = None
        self._writer: _Writer | None = None
        self._moved = 0

    @property
    def stream(self) -> str | None:
        """The stream's name, with which another run continues it; ``None`` before ``begin``."""
        return self._name

    def snapshot(self) -> TransferSnapshot:
        """Return the counters now."""
        done = self._kept.size if self._kept is not None else 0
        if self._writer is None:
            return TransferSnapshot(None, done, self._moved, done, 0, 0)
        now = self._writer.snapshot()
        return TransferSnapshot(
            None,
            done + now.taken,
            self._moved + now.moved,
            done + now.done,
            now.parts_done,
            now.parts_in_flight,
        )

    def drain(self, seconds: float) -> None:
        """Stop gently; see ``SourceUpload.drain``."""
        if self._writer is not None:
            self._writer.drain(seconds)

    async def begin(self) -> StreamRecord:
        """Wait for the first byte and record the stream, so that it has a name. ``run`` does so, too.

        Raises:
            EmptyArchiveError: The stream has no bytes.
            ConfigurationError: No stream of this name is on record.
        """
        return (await self._begin()).record

    async def run(self) -> tuple[Manifest, Archive]:
        """Archive the stream; return its manifest, and the archive that holds the manifest.

        If it fails or is cancelled, the sent bytes stay, and another run with the same ``stream`` continues.

        Raises:
            EmptyArchiveError: The stream has no bytes. Nothing was sent.
            ConfigurationError: No stream of this name is on record.
            ResumeMismatchError: The source differs, or begins elsewhere: ``byte_range`` or the message says
                where. If the stream is read from its beginning, nothing before that was sent again.
            OutcomeUnknownError: It is not known yet whether a piece was made.
            GlacierError: As for ``Vault.upload``.
        """
        kept = await self._begin()
        await kept.context.look()  # pieces of a vault that was made again are gone
        async with kept.context.catalog.lock_source(kept.context.key, f"stream {self._name}"):
            upload = await kept.settle(kept.manifest_description)
            await kept.find_pieces()
            if isinstance(upload, Made):
                if tree_hash(kept.manifest().encode()) == upload.archive.tree_hash:
                    await self._confirm_complete(kept)
                    return await kept.finish(upload.archive)
                upload = None  # a piece that the manifest names is gone, and is sent again
            await self._write_pieces(kept)
            async with kept.open(
                kept.manifest_description, kept.context.limits.min_part_size, upload, name=self._key
            ) as (_, writer):
                await writer.write(kept.manifest().encode())
                return await kept.finish(await writer.complete())

    async def _begin(self) -> _KeptStream:
        if self._kept is not None:
            return self._kept
        context = self._place.context.recorded()
        streams = context.catalog.streams
        if self._name is None:
            if not await self._source.peek():  # before anything is recorded
                raise EmptyArchiveError("the stream has no bytes")
            await context.check_free(self._key)  # and not after terabytes
            stream = await streams.begin(context.key, self._description)
            self._name = stream.nonce
        elif (found := await streams.find(context.key, self._name)) is not None:
            stream = found
        else:
            unfinished = ", ".join([stream.nonce for stream in await streams.list_open(context.key)])
            raise ConfigurationError(
                f"the catalog knows no stream {self._name!r} in {context.name!r}; unfinished streams "
                f"there: {unfinished or 'none'}"
            )
        self._kept = _KeptStream(context, stream)
        return self._kept

    async def _confirm_complete(self, kept: _KeptStream) -> None:
        """Compare the source with a stream that has its manifest already."""
        if self._from is None:
            await self._compare_pieces(kept)
        else:
            self._check_position(kept.size, self._from)
        if await self._source.peek():
            raise ResumeMismatchError(
                f"stream {self._name} is complete after {kept.size} bytes, but the source goes on. Nothing "
                "was sent; upload it as another stream"
            )

    async def _write_pieces(self, kept: _KeptStream) -> None:
        if self._from is None:
            await self._compare_pieces(kept)
        elif kept.unfinished is not None:
            await self._continue_piece(kept, kept.unfinished, self._from)
        else:
            self._check_position(kept.size, self._from)
        while await self._source.peek():
            opened, kept.unfinished = kept.unfinished, None
            description = describe_piece(kept.record.nonce, len(kept.pieces), kept.record.description)
            name = f"{self._key}.{kept.record.nonce}.{len(kept.pieces):06}"
            async with kept.open(description, self._part_size, opened, name=name) as (_, writer):
                await self._write(kept, writer)
            made = len(kept.pieces)
            await kept.find_pieces()  # a former run may have made those after one that is gone
            await self._compare_pieces(kept, made)
        if kept.unfinished is not None:
            raise ResumeMismatchError(
                f"the stream ends after {kept.size} bytes, but more of it was sent before; feed the same "
                "stream again"
            )

    async def _compare_pieces(self, kept: _KeptStream, first: int = 0) -> None:
        """Read the bytes of made pieces from the source, and compare them."""
        for index, piece in enumerate(kept.pieces[first:], first):
            hasher = TreeHash()
            left = piece.size
            while left and (block := await self._source.take(left)):
                # The bytes may be terabytes, and nothing is sent.
                await run_in_thread(partial(hasher.update, block))
                left -= len(block)
            if left or hasher.digest() != piece.tree_hash:
                how = "ends within it" if left else "differs from it"
                raise ResumeMismatchError(
                    f"piece {index} of stream {self._name} is archive {piece.archive_id}, and the source "
                    f"{how}; feed the same stream again, or begin another"
                )

    async def _continue_piece(self, kept: _KeptStream, opened: Open, position: int) -> None:
        """Continue an open piece behind the bytes that the service has."""
        async with self._place.resume_writer(opened.upload_id) as writer:
            self._check_position(kept.size + writer.position, position)
            kept.unfinished = None  # it is this piece now
            await self._write(kept, writer)

    def _check_position(self, expected: int, position: int) -> None:
        if position != expected:
            raise ResumeMismatchError(
                f"stream {self._name} continues at byte {expected}, not {position}; feed it from there, or "
                "from its beginning"
            )

    async def _write(self, kept: _KeptStream, writer: _Writer) -> None:
        """Write as many bytes as this archive takes, and complete it."""
        limit = self._parts * writer.part_size  # an upload that goes on may have another part size
        self._writer = writer
        try:
            while writer.position < limit and (block := await self._source.take(limit - writer.position)):
                await writer.write(block)
            archive = await writer.complete()
        finally:
            self._moved += writer.snapshot().moved
            self._writer = None
        await kept.add(archive)


class _KeptStream:
    """A stream on record, and its archives.

    Attributes:
        pieces: The pieces that are made, in order.
        unfinished: The open upload of the next piece.
    """

    def __init__(self, context: RecordedPlace, record: StreamRecord) -> None:
        self.context = context
        self.record = record
        self.manifest_description = describe_manifest(record.nonce, record.description)
        self.pieces: list[Piece] = []
        self.unfinished: Open | None = None

    @property
    def size(self) -> int:
        """Bytes of the pieces that are made."""
        return sum(piece.size for piece in self.pieces)

    def manifest(self) -> Manifest:
        """Return the manifest of the pieces that are made."""
        return Manifest(self.record.nonce, self.record.description, tuple(self.pieces))

    async def find_pieces(self) -> None:
        """Find the pieces that are made, and the open one."""
        while True:
            index = len(self.pieces)
            found = await self.settle(describe_piece(self.record.nonce, index, self.record.description))
            if not isinstance(found, Made):
                self.unfinished = found
                return
            await self.add(found.archive)

    async def settle(self, description: str) -> Made | Open | None:
        """Return the outcome of the upload with this description."""
        uploads = self.context.catalog.uploads
        record = await uploads.find_described(self.context.key, description)
        outcome = await find_outcome(self.context, record) if record is not None else None
        if isinstance(outcome, Made):
            # A bucket tells at once whether the object is still there.
            archives, key = self.context.catalog.archives, self.context.key
            await self.context.look(await archives.get(key, outcome.archive.id))
            outcome = await find_outcome(self.context, outcome.record)
        if isinstance(outcome, Made):
            await uploads.record_told(outcome.record.number)
        return outcome if isinstance(outcome, Made | Open) else None

    def open(
        self, description: str, part_size: int, opened: Open | None, *, name: str
    ) -> AbstractAsyncContextManager[tuple[UploadRecord, ArchiveWriter[Archive]]]:
        """Begin an archive, or continue an open one."""
        return open_in_parts(
            self.context,
            description,
            opened.record.part_size if opened else part_size,
            name=name,
            reads_at_once=description == self.manifest_description,
            keep_unfinished=True,
            continued=(opened.record, opened.known) if opened else None,
        )

    async def add(self, archive: Archive) -> None:
        """Record that an archive is the next piece."""
        await self.context.catalog.streams.record_piece(self.record, archive.id, len(self.pieces))
        self.pieces.append(Piece(archive.id, archive.size, archive.tree_hash))

    async def finish(self, archive: Archive) -> tuple[Manifest, Archive]:
        """Record that the stream is complete, with the archive of its manifest."""
        await self.context.catalog.streams.record_completed(self.record, archive.id, self.size)
        return self.manifest(), archive


class _Ahead:
    """A source that is read a block ahead, so that its end shows before another archive begins."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._ahead = b""

    async def peek(self) -> bool:
        """Return whether there is more."""
        if not self._ahead:
            block = memoryview(bytearray(MIB))
            self._ahead = bytes(block[: await self._source.fill(block)])
        return bool(self._ahead)

    async def take(self, most: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        await self.peek()
        block, self._ahead = self._ahead[:most], self._ahead[most:]
        return block
