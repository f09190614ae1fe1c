"""One upload at the store: its id, the parts that are proven to be there, its end without an archive."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

from aioglacier.core.errors import GlacierError, ResumeMismatchError
from aioglacier.core.ledger import UploadLedger
from aioglacier.core.limits import IDLE_WARNING_SECONDS, VAULT
from aioglacier.core.ranges import ByteRange
from aioglacier.tasks.see_through import GRACE_SECONDS
from aioglacier.transfer.upload.part import check_known_part
from aioglacier.transfer.upload.upload_state import Fate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.core.models import UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import Body, Progress
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.part import Part

_log: Final = logging.getLogger("aioglacier.transfer")

#: Seconds between two warnings.
_SAY_AGAIN_SECONDS: Final = 3600.0


A = TypeVar("A")


class RemoteUpload(Generic[A]):
    """The parts of one archive that the store has.

    Attributes:
        store: The place.
        id: The upload, once it has begun.
        ledger: The parts that are proven to be at the store.
        idle: Watches how long nothing was sent; there as soon as the upload is, if it may expire.
        archive: The archive, once there is one.
    """

    def __init__(self, store: ArchiveStore[A], part_size: int) -> None:
        self.store = store
        self._known: Mapping[int, bytes] = {}
        self.id: UploadId | None = None
        self.ledger = UploadLedger(part_size)
        self.idle: IdleWatch | None = None
        self.archive: A | None = None

    async def initiate(self) -> None:
        """Begin the upload."""
        self.begin(await self.store.initiate(self.ledger.part_size), {})

    def begin(self, upload_id: UploadId, known: Mapping[int, bytes]) -> None:
        """Go on with an upload whose parts, by offset, have these hashes at the service."""
        self.id = upload_id
        self._known = known
        if self.store.rules.upload_idle_seconds is not None:
            self.idle = IdleWatch(upload_id)

    def has(self, part: Part, hashes: PartHashes) -> bool:
        """Return whether the store has a part already.

        Raises:
            ResumeMismatchError: It has another part there.
        """
        start = part.index * self.ledger.part_size
        known = self._known.get(start) if self._known else None
        if known is None:
            return False
        proof = self.store.rules.proof(hashes)
        check_known_part(self.id, ByteRange(start, start + part.job.length), known, proof)
        return True

    async def put(self, part: Part, body: Body, hashes: PartHashes, progress: Progress) -> object:
        """Send a part and return its receipt."""
        assert self.id is not None  # noqa: S101  # parts start after the upload does
        start = part.index * self.ledger.part_size
        return await self.store.put_part(self.id, start, body, hashes, progress)

    def prove(self, part: Part, hashes: PartHashes, receipt: object = None) -> None:
        """Note that a part is at the store."""
        self.prove_sent(part.index, part.job.length, hashes.tree_hash, receipt)

    def prove_sent(self, index: int, length: int, tree_hash: bytes, receipt: object) -> None:
        """Note that a part of so many bytes is at the store."""
        self.ledger.prove(index, length, tree_hash, receipt)
        if self.idle is not None:
            self.idle.sent()

    async def store_whole(self, part: Part, hashes: PartHashes, progress: Progress) -> None:
        """Send the only part as an archive."""
        async with part.body() as body:
            archive = await self.store.store_whole(body, hashes, progress)
        if part.job.length:
            self.prove(part, hashes)  # the answer named the same hash
        self.archive = archive

    def seal(self, parts: int) -> tuple[int, bytes]:
        """Return size and tree hash of the archive, whose parts must all be proven.

        Raises:
            ResumeMismatchError: The store has a part beyond the last one.
        """
        size, tree_hash = self.ledger.seal(parts)
        if beyond := [start for start in self._known if start >= size]:
            raise ResumeMismatchError(
                f"the source ended after {size} bytes, but upload {self.id} holds a part at byte "
                f"{min(beyond)}; abort that upload and start again"
            )
        return size, tree_hash

    async def complete(self, size: int, tree_hash: bytes) -> None:
        """Make the parts one archive."""
        assert self.id is not None  # noqa: S101  # the second part began it
        self.archive = await self.store.complete(self.id, size, tree_hash, self.ledger.receipts)

    async def leave(self, fate: Fate, error: BaseException | None) -> None:
        """Keep or abort the unfinished upload, and say so in ``error`` or else in the log."""
        if self.id is None or fate is Fate.NONE:
            return
        if fate is Fate.ABORT:
            await self._abort(self.id, error)
        elif isinstance(error, GlacierError):
            error.upload_id, error.sent = self.id, self.ledger.sent
        elif error is not None:
            error.add_note(f"upload {self.id} was kept with {self.ledger.sent} bytes and can be resumed")
        else:
            _log.warning("upload %s was kept with %d bytes", self.id, self.ledger.sent)

    async def _abort(self, upload_id: UploadId, error: BaseException | None) -> None:
        reason = f"no answer within {GRACE_SECONDS:.0f} s"
        with anyio.move_on_after(GRACE_SECONDS, shield=True):
            try:
                await self.store.abort(upload_id)
            except GlacierError as failure:
                reason = str(failure)
            else:
                return
        trouble = f"upload {upload_id} could not be aborted and is still open: {reason}"
        if error is None:
            _log.warning("%s", trouble)
            return
        if isinstance(error, GlacierError):
            error.upload_id = upload_id
        error.add_note(trouble)


class IdleWatch:
    """Warns before the service forgets an upload to which nothing is sent."""

    def __init__(
        self,
        upload_id: UploadId,
        *,
        clock: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._upload_id = upload_id
        self._clock = clock
        self._sleep = sleep
        self._sent_at = clock()

    def sent(self) -> None:
        """Note that a part has arrived, which the service counts as activity."""
        self._sent_at = self._clock()

    async def run(self) -> None:
        """Warn while nothing is sent; wakes up once an hour at most."""
        while True:
            idle = self._clock() - self._sent_at
            if idle < IDLE_WARNING_SECONDS:
                await self._sleep(IDLE_WARNING_SECONDS - idle)
                continue
            _log.warning(
                "nothing was sent to upload %s for %d hours; the service forgets it, and all that was sent, "
                "after %d; the next part is sent when the source has filled it",
                self._upload_id,
                idle // 3600,
                VAULT.upload_idle_seconds // 3600,
            )
            await self._sleep(_SAY_AGAIN_SECONDS)
