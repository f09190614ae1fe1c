"""Sending the parts of a file through other processes, which are given runs of parts.

This process, the coordinator, decides and records. It begins the upload, gives out the runs, records what an
answer says before it forgets the task, and completes. Its catalog and the service's list are the memory:
after a death of the coordinator, the parts that the service lists are hashed again by the same processes, and
only the others are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aioglacier.core.errors import UploadFailedError, WorkerDiedError
from aioglacier.core.planning import count_parts
from aioglacier.core.ranges import ByteRange
from aioglacier.files.reading import FileChangedError
from aioglacier.files.shared import SharedFile
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.spreading import Spreader
from aioglacier.transfer.upload.part import check_known_part
from aioglacier.transfer.upload.part_run import PartRun, UploadLook, charge_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.core.models import UploadId
    from aioglacier.transfer.resources import Runner
    from aioglacier.transfer.spreading import Span
    from aioglacier.transfer.store import SharedStore
    from aioglacier.transfer.upload.engine import UploadEngine
    from aioglacier.transfer.upload.named_file import NamedFile
    from aioglacier.transfer.upload.part_run import RunDone

A = TypeVar("A")


class PartSpreader(Spreader):
    """Gives out the parts of one file, and takes the answers."""

    def __init__(
        self, engine: UploadEngine[A], store: SharedStore[A], runner: Runner, file: NamedFile
    ) -> None:
        super().__init__(runner)
        self._engine = engine
        self._store = store
        self._file = file

    async def send(self, known: Mapping[int, bytes]) -> None:
        """Send the parts that the service lacks; ``known`` are the hashes of the others, by offset.

        Raises:
            NotSharedError: The file is not the same one in every process. Nothing was sent.
            ResumeMismatchError: A part at the service is not the file's. Nothing was sent.
            UploadFailedError: The processes were lost. The upload can be resumed.
            GlacierError: A part could not be sent.
        """
        engine = self._engine
        shared = await self._look()
        self.workers = await self.runner.open()
        await self.runner.check_shared(shared)
        part_size = engine.part_size
        there = sorted(start // part_size for start in known)
        await self._spread(shared, None, there, known)
        upload_id = await engine.begin()
        await self.runner.check(UploadLook(self._store.destination, upload_id))
        missing = sorted(set(range(count_parts(shared.size, part_size))) - set(there))
        await self._spread(shared, upload_id, missing, {})

    async def _look(self) -> SharedFile:
        file = self._file
        try:
            return await run_in_thread(lambda: SharedFile.of(file.path, file.identity))
        except FileChangedError as error:
            raise source_changed(file.path, str(error)) from None
        except OSError as error:
            raise source_unreadable(file.path, 0, error) from error

    async def _spread(
        self,
        shared: SharedFile,
        upload_id: UploadId | None,
        indexes: Sequence[int],
        known: Mapping[int, bytes],
    ) -> None:
        destination, part_size = self._store.destination, self._engine.part_size
        operation = "UploadMultipartPart" if destination.key is None else "UploadPart"

        async def do(span: Span) -> float:
            task = PartRun(shared, destination, upload_id, part_size, span.first, span.parts)
            seconds = 0.0

            async def take(done: RunDone) -> None:
                nonlocal seconds
                seconds = done.seconds
                if upload_id is not None:
                    charge_parts(operation, done.requests - task.parts)
                await self._take(done, known, is_sent=upload_id is not None)

            if upload_id is not None:
                charge_parts(operation, task.parts, task.size)
            try:
                await self.runner.run(task, take)
            except WorkerDiedError as error:
                raise UploadFailedError(f"the upload could not go on: {error}") from error
            return seconds

        await self.give_out(indexes, part_size, do)

    async def _take(self, done: RunDone, known: Mapping[int, bytes], *, is_sent: bool) -> None:
        """Record what an answer says, then count it."""
        part_size, proof = self._engine.part_size, self._store.rules.proof
        if is_sent:
            await self._store.note_parts(done.parts)
        for index, size, hashes, receipt in done.parts:
            start = index * part_size
            if not is_sent:
                byte_range = ByteRange(start, start + size)
                check_known_part(self._engine.upload_id, byte_range, known[start], proof(hashes))
            self._engine.prove(index, size, hashes.tree_hash, receipt)
