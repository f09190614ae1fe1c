"""Uploads of a whole source: the engine is fed as fast as buffers come free."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aioglacier.core.errors import ResumeMismatchError, UploadExpiredError
from aioglacier.core.planning import part_ranges
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.store import SharedStore
from aioglacier.transfer.upload.named_file import NamedFile
from aioglacier.transfer.upload.part import check_known_part
from aioglacier.transfer.upload.part_run import hash_parts
from aioglacier.transfer.upload.writer import check_length, open_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.models import UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import PartHashes
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.snapshot import TransferSnapshot
    from aioglacier.transfer.store import ArchiveStore, StoreRules
    from aioglacier.transfer.upload.engine import UploadEngine
    from aioglacier.transfer.upload.sources import ByteSource
    from aioglacier.transfer.upload.spread_parts import PartSpreader
    from aioglacier.transfer.upload.writer import SendOptions

A = TypeVar("A")

_log: Final = logging.getLogger("aioglacier.transfer")

#: How often a named file starts again because its upload was removed: by the service after a day without
#: activity, or by another program.
_MOST_RESTARTS: Final = 3


class SourceUpload(Generic[A]):
    """One upload of one source, to be run once; ``snapshot`` shows how far it is.

    It may go on with an upload that was begun before: ``resume`` is that upload, and the hashes of its parts
    at the service, by offset.

    Attributes:
        source: A named file, or a stream.
    """

    def __init__(
        self,
        store: ArchiveStore[A],
        resources: TransferResources,
        options: SendOptions,
        source: NamedFile | ByteSource,
        *,
        resume: tuple[UploadId, Mapping[int, bytes]] | None = None,
    ) -> None:
        self.source = source
        self._store = store
        self._resources = resources
        self._options = options
        self._resume = resume
        self._engine = self._new_engine()
        self._spreader: PartSpreader | None = None

    def _new_engine(self) -> UploadEngine[A]:
        source = self.source
        size = self._options.expected_size if source.size is None else source.size
        is_file = isinstance(source, NamedFile)
        return open_engine(self._store, self._resources, self._options, size, is_file=is_file)

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        counters = self._engine.snapshot()
        return counters if self._spreader is None else replace(counters, workers=self._spreader.workers)

    @property
    def archive(self) -> A | None:
        """The archive, once it is made, even if ``run`` was cancelled too late to return it."""
        return self._engine.archive

    def drain(self, seconds: float = GRACE_SECONDS) -> None:
        """Stop reading, and let what is being sent arrive, for so many seconds at most.

        ``run`` then ends with ``UploadFailedError``, whose ``upload_id`` resumes: the upload is kept, and
        less of it has to go again than after a cancellation, which stops at once. Where all has been read
        already, the archive may still be made within the time. To be called on the event loop; calling it
        again can only shorten the time.
        """
        self._engine.drain(seconds)

    async def run(self) -> A:
        """Upload what the service lacks. See ``Vault.upload`` for what it raises and what cancelling leaves.

        Raises:
            UploadExpiredError: The service has removed the upload, and the source is a stream or the upload
                was to be resumed. A named file is uploaded again from its start.
            ResumeMismatchError: The source is not what the upload was begun with. For a named file nothing
                has been sent then; of a stream, what came before the difference may have been.
        """
        with self._options.naming():
            for _ in range(_MOST_RESTARTS):
                try:
                    return await self._run_engine()
                except UploadExpiredError as error:
                    if self._resume is not None or not isinstance(self.source, NamedFile):
                        raise  # the caller has to decide: former parts, or the bytes, are gone
                    _log.warning("uploading %r again from its start: %s", self.source.path, error)
                    self._engine = self._new_engine()
            return await self._run_engine()

    async def _run_engine(self) -> A:
        source = self.source
        known: Mapping[int, bytes] = {}
        rules = self._store.rules
        async with self._engine as engine:
            if self._resume is not None:
                upload_id, known = self._resume
                engine.resume(upload_id, known)
            if isinstance(source, NamedFile):
                _refuse_beyond(source, engine.upload_id, engine.part_size, known)
                check_length(self._options.expected_size, source.size, is_whole=True)
                if not await self._spread(engine, source, known):
                    with engine.stops_on_failure():
                        proven = await _check_known_parts(self._resources, rules, source, engine, known)
                    await self._feed_file(engine, source, proven)
                return await engine.finish(lambda: run_in_thread(source.check_unchanged))
            await self._feed_stream(engine, source)
            return await engine.finish()

    async def _spread(self, engine: UploadEngine[A], source: NamedFile, known: Mapping[int, bytes]) -> bool:
        """Let other processes send the parts, if there are any and it pays; return whether they did."""
        runner, store = self._resources.runner, self._store
        if runner is None or source.size < runner.smallest or not isinstance(store, SharedStore):
            return False
        from aioglacier.transfer.upload.spread_parts import PartSpreader  # noqa: PLC0415  # few need it

        self._spreader = PartSpreader(engine, store, runner, source)
        with engine.stops_on_failure():
            await self._spreader.send(known)
        return True

    async def _feed_file(
        self, engine: UploadEngine[A], source: NamedFile, proven: Mapping[int, bytes]
    ) -> None:
        with engine.stops_on_failure():
            for range_ in part_ranges(source.size, engine.part_size):
                if (tree_hash := proven.get(range_.start)) is not None:
                    engine.skip(range_.size, tree_hash)
                    continue
                await engine.submit_file(source, range_)

    async def _feed_stream(self, engine: UploadEngine[A], source: ByteSource) -> None:
        total = 0
        ahead = bytearray()
        while True:
            buffer = await engine.acquire()
            try:
                view = buffer.view[: engine.part_size]
                view[: len(ahead)] = ahead
                count = len(ahead)
                with engine.stops_on_failure():
                    count += await source.fill(view[count:])
                total += count
                check_length(self._options.expected_size, total, is_whole=count < len(view))
            except BaseException:
                engine.discard(buffer)
                raise
            if count == 0:
                engine.discard(buffer)
                return
            engine.submit(buffer, count)
            if count < len(view):
                return
            # Asking for another buffer says that there is another part, and a source may end just here.
            ahead = bytearray(1)
            with engine.stops_on_failure():
                count = await source.fill(memoryview(ahead))
            if not count:
                check_length(self._options.expected_size, total, is_whole=True)
                return


async def _check_known_parts(
    resources: TransferResources,
    rules: StoreRules,
    source: NamedFile,
    engine: UploadEngine[A],
    known: Mapping[int, bytes],
) -> dict[int, bytes]:
    """Hash the parts of a file that the service has, compare, and return their tree hashes by offset."""
    # Before anything is sent: a part of the wrong file would spoil the upload for the right one.
    ranges = [range_ for range_ in part_ranges(source.size, engine.part_size) if range_.start in known]
    proven: dict[int, bytes] = {}

    def take(range_: ByteRange, hashes: PartHashes) -> None:
        check_known_part(engine.upload_id, range_, known[range_.start], rules.proof(hashes))
        proven[range_.start] = hashes.tree_hash

    await hash_parts(resources, rules, source, ranges, take)
    return proven


def _refuse_beyond(
    source: NamedFile, upload_id: UploadId | None, part_size: int, known: Mapping[int, bytes]
) -> None:
    beyond = [start for start in known if start >= source.size or start % part_size]
    if beyond:
        raise ResumeMismatchError(
            f"upload {upload_id} holds a part at byte {min(beyond)}, which {source.path!r} with "
            f"{source.size} bytes in parts of {part_size} does not have; abort that upload and start again"
        )
