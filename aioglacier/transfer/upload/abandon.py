"""What becomes of an upload that ended without an archive, and how whoever asks learns of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import CredentialsError, GlacierError, UploadExpiredError, UploadFailedError
from aioglacier.tasks.see_through import GRACE_SECONDS

if TYPE_CHECKING:
    from aioglacier.core.models import UploadId
    from aioglacier.transfer.store import ArchiveStore

_log: Final = logging.getLogger("aioglacier.transfer")


async def leave_upload(
    store: ArchiveStore, upload_id: UploadId, error: BaseException | None, *, sent: int, keep: bool
) -> None:
    """Keep an upload, or abort it, after what ended it; the engine's docstring says which and why."""
    if isinstance(error, UploadExpiredError):
        return  # nothing is left of it
    if keep or isinstance(error, (UploadFailedError, CredentialsError)):
        _tell_of_kept_upload(upload_id, sent, error)
    else:
        await _abort_upload(store, upload_id, error)


def _tell_of_kept_upload(upload_id: UploadId, sent: int, error: BaseException | None) -> None:
    """Let the error that ended it, or else the log, say that an upload was kept, with so many bytes."""
    if isinstance(error, GlacierError):
        error.upload_id, error.sent = upload_id, sent
    elif error is not None:
        error.add_note(f"upload {upload_id} was kept with {sent} bytes and can be resumed")
    else:
        _log.warning("upload %s was kept with %d bytes", upload_id, sent)


async def _abort_upload(store: ArchiveStore, upload_id: UploadId, error: BaseException | None) -> None:
    """Abort an upload, within 10 seconds even if cancelled; if that fails, the error or the log says so."""
    reason = f"no answer within {GRACE_SECONDS:.0f} s"
    with anyio.move_on_after(GRACE_SECONDS, shield=True):
        try:
            await store.abort(upload_id)
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
