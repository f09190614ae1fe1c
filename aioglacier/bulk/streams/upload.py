"""Streams without a ceiling: where one archive has all the parts it can have, the next one begins.

Every piece is an upload in parts, on record before the service hears of it, with a description that names the
stream and the piece's number. So whatever moment a process dies at, its successor finds each piece made, open
or not begun, in that order, and the manifest last:

- made: its bytes are not sent again. If the stream is read again from its beginning they are hashed and
  compared; if it goes on from a position, they have been fed before.
- open: the service's parts are compared with what comes, or lie before that position.
- perhaps made: completing it again tells.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.in_parts import open_in_parts
from aioglacier.bulk.streams.manifest import Manifest, Piece, describe_manifest, describe_piece
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
    from aioglacier.catalog.streams import StreamRecord
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.writer import ArchiveWriter

_BLOCK: Final = MIB


class StreamUpload:
    """One stream to as many archives as it takes, to be run once; ``snapshot`` shows how far it is.

    Memory is that of one writer. It needs a catalog.
    """

    def __init__(
        self,
        vault: Vault,
        source: object,
        *,
        description: str | None = None,
        part_size: int | None = None,
        parts: int = VAULT.max_parts,
        stream: str | None = None,
        position: int | None = None,
    ) -> None:
        """Prepare; nothing is sent or recorded.

        Args:
            vault: Where to.
            source: What ``Vault.upload`` takes, but for paths.
            description: Kept with every piece and the manifest.
            part_size: As in ``Vault.open_writer``.
            parts: How many an archive has before the next one begins; at most 10,000.
            stream: The name of a stream that goes on, from a former run's ``stream``.
            position: Where in that stream the source begins; by default at the beginning, and what was sent
                before is compared. Any other must be the one that a refusal names.

        Raises:
            InvalidPlanError: Part size, number of parts or description cannot be.
        """
        if not 1 <= parts <= VAULT.max_parts:
            raise InvalidPlanError(f"an archive has 1 to {VAULT.max_parts:,} parts, not {parts}")
        if position is not None and stream is None:
            raise InvalidPlanError("a position is one in a stream that goes on; name the stream")
        self._part_size = choose_part_size(None, part_size)
        self._description = description or ""
        check_description(self._description)
        check_description(describe_piece("0" * 16, 999_999, self._description))
        self._vault = vault
        self._context = vault.context.recorded()
        self._source = _Ahead(as_stream(source))
        self._parts = parts
        self._name = stream
        self._record: StreamRecord | None = None
        self._from = position
        self._pieces: list[Piece] = []
        self._open: Open | None = None
        self._writer: ArchiveWriter | None = None
        self._moved = 0
        self._skipped = 0

    @property
    def stream(self) -> str | None:
        """The stream's name, by which another run goes on with it; ``None`` before ``begin``."""
        return self._name

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The archives made so far."""
        return tuple(self._pieces)

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        done = sum(piece.size for piece in self._pieces)
        if self._writer is None:
            return TransferSnapshot(None, max(done, self._skipped), self._moved, done, 0, 0)
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

    async def run(self) -> tuple[Manifest, Archive]:
        """Archive the stream. Returns what it has become, and the archive that tells it.

        If it fails or is cancelled, what was sent stays, and another run with the same ``stream`` goes on.

        Raises:
            EmptyArchiveError: No bytes. Nothing was sent.
            ConfigurationError: There is no stream of this name on record.
            ResumeMismatchError: The source is another one, or begins elsewhere: ``byte_range`` or the message
                say where. Of a stream that is read again, nothing before that was sent again.
            OutcomeUnknownError: It is not known yet whether a piece was made.
            GlacierError: As ``Vault.upload``.
        """
        stream = await self.begin()
        async with self._context.catalog.lock_source(self._context.key, f"stream {stream.nonce}"):
            manifest_upload = await self._settle(describe_manifest(stream.nonce, stream.description))
            await self._find_pieces(stream)
            if isinstance(manifest_upload, Made):
                if tree_hash(self._manifest(stream).encode()) == manifest_upload.archive.tree_hash:
                    await self._confirm_complete()
                    return await self._finish(stream, manifest_upload.archive)
                manifest_upload = None  # a piece that it names is gone, and is sent again
            await self._write_pieces(stream)
            return await self._write_manifest(stream, manifest_upload)

    async def begin(self) -> StreamRecord:
        """Wait for the first byte, and put the stream on record, so that it has a name; ``run`` does it else.

        Raises:
            EmptyArchiveError: No bytes.
            ConfigurationError: There is no stream of this name on record.
        """
        if self._record is None:
            self._record = await self._find()
        return self._record

    # --- what is there

    async def _find(self) -> StreamRecord:
        streams, key = self._context.catalog.streams, self._context.key
        if self._name is None:
            if not await self._source.peek():
                raise EmptyArchiveError("the stream has no bytes")
            stream = await streams.begin(key, self._description)
            self._name = stream.nonce
            return stream
        found = await streams.find(key, self._name)
        if found is None:
            unfinished = [stream.nonce for stream in await streams.list_open(key)]
            raise ConfigurationError(
                f"the catalog knows no stream {self._name!r} in vault {self._context.name!r}; unfinished "
                f"there are: {', '.join(unfinished) or 'none'}"
            )
        self._description = found.description
        return found

    async def _find_pieces(self, stream: StreamRecord) -> None:
        """The pieces that are made, and the one that is open."""
        while True:
            index = len(self._pieces)
            found = await self._settle(describe_piece(stream.nonce, index, stream.description))
            if not isinstance(found, Made):
                self._open = found
                return
            await self._add(stream, found.archive)

    async def _settle(self, description: str) -> Made | Open | None:
        """Find out what has become of the upload with this description."""
        uploads = self._context.catalog.uploads
        record = await uploads.find_described(self._context.key, description)
        outcome = await find_outcome(self._context, record) if record is not None else None
        if isinstance(outcome, Made):
            await uploads.record_told(outcome.record.number)
        return outcome if isinstance(outcome, Made | Open) else None

    # --- what is to be done

    async def _confirm_complete(self) -> None:
        """Compare the source with a stream that has its manifest already."""
        size = sum(piece.size for piece in self._pieces)
        if self._from is None:
            await self._compare_pieces()
        else:
            self._check_position(size, self._from)
        if await self._source.peek():
            raise ResumeMismatchError(
                f"stream {self._name} is complete after {size} bytes, and the source goes on. Nothing "
                "was sent; upload it as another stream"
            )

    async def _write_pieces(self, stream: StreamRecord) -> None:
        if self._from is None:
            await self._compare_pieces()
        elif self._open is not None:
            await self._go_on(stream, self._open, self._from)
        else:
            self._check_position(sum(piece.size for piece in self._pieces), self._from)
        while await self._source.peek():
            index = len(self._pieces)
            description = describe_piece(stream.nonce, index, stream.description)
            opened, self._open = self._open, None
            part_size = opened.record.part_size if opened else self._part_size
            async with open_in_parts(
                self._context,
                description,
                part_size,
                keep_unfinished=True,
                continued=(opened.record, opened.known) if opened else None,
            ) as (_, writer):
                await self._write(stream, writer)
            made = len(self._pieces)
            await self._find_pieces(stream)  # a former run may have made those that follow one that is gone
            await self._compare_pieces(made)
        if self._open is not None:
            raise ResumeMismatchError(
                f"the stream ends after {sum(piece.size for piece in self._pieces)} bytes, and more of it "
                "was sent before; feed the same stream again"
            )

    async def _compare_pieces(self, first: int = 0) -> None:
        """Read once more what was archived before, and compare it."""
        for index, piece in enumerate(self._pieces[first:], first):
            hasher = TreeHash()
            left = piece.size
            while left and (block := await self._source.take(left)):
                await run_in_thread(partial(hasher.update, block))
                left -= len(block)
                self._skipped += len(block)
            if left or hasher.digest() != piece.tree_hash:
                how = "ends within it" if left else "differs from it"
                raise ResumeMismatchError(
                    f"piece {index} of stream {self._name} is archive {piece.archive_id}, and what is read "
                    f"now {how}; feed the same stream again, or begin another"
                )

    async def _go_on(self, stream: StreamRecord, opened: Open, position: int) -> None:
        """Go on with an open piece from where the service has all of it."""
        before = sum(piece.size for piece in self._pieces)
        assert opened.record.upload_id is not None  # noqa: S101  # it is open
        async with self._vault.resume_writer(opened.record.upload_id) as writer:
            self._check_position(before + writer.position, position)
            self._open = None
            await self._write(stream, writer)

    def _check_position(self, expected: int, position: int) -> None:
        if position != expected:
            raise ResumeMismatchError(
                f"stream {self._name} goes on at byte {expected}, not {position}; feed it from there, or "
                "from its beginning"
            )

    async def _write(self, stream: StreamRecord, writer: ArchiveWriter) -> None:
        """Write as much as this archive takes, and make it."""
        limit = self._parts * writer.part_size
        self._writer = writer
        try:
            while writer.position < limit and (block := await self._source.take(limit - writer.position)):
                await writer.write(block)
            archive = await writer.complete()
        finally:
            self._moved += writer.snapshot().moved
            self._writer = None
        await self._add(stream, archive)

    async def _add(self, stream: StreamRecord, archive: Archive) -> None:
        await self._context.catalog.streams.record_piece(stream, archive.id, len(self._pieces))
        self._pieces.append(Piece(archive.id, archive.size, archive.tree_hash))

    async def _write_manifest(self, stream: StreamRecord, found: Open | None) -> tuple[Manifest, Archive]:
        description = describe_manifest(stream.nonce, stream.description)
        async with open_in_parts(
            self._context,
            description,
            found.record.part_size if found else MIB,
            keep_unfinished=True,
            continued=(found.record, found.known) if found else None,
        ) as (_, writer):
            await writer.write(self._manifest(stream).encode())
            archive = await writer.complete()
        return await self._finish(stream, archive)

    async def _finish(self, stream: StreamRecord, archive: Archive) -> tuple[Manifest, Archive]:
        manifest = self._manifest(stream)
        await self._context.catalog.streams.record_completed(stream, archive.id, manifest.size)
        return manifest, archive

    def _manifest(self, stream: StreamRecord) -> Manifest:
        return Manifest(stream.nonce, stream.description, tuple(self._pieces))


class _Ahead:
    """A source that is read a block ahead, so that its end is known before another archive begins."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._ahead = b""

    async def peek(self) -> bool:
        """Whether there is more."""
        if not self._ahead:
            block = bytearray(_BLOCK)
            count = await self._source.fill(memoryview(block))
            self._ahead = bytes(memoryview(block)[:count])
        return bool(self._ahead)

    async def take(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        await self.peek()
        block, self._ahead = self._ahead[:most], self._ahead[most:]
        return block
