"""What is common to commands that upload: standard input, locks, progress, and what to say when it fails."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from aioglacier.cli.program.stopping import DRAIN_SECONDS
from aioglacier.cli.render.progress import showing
from aioglacier.cli.render.sizes import show_count
from aioglacier.core.descriptions import decode
from aioglacier.core.errors import (
    GlacierError,
    ResumeMismatchError,
    SourceChangedError,
    SourceUnreadableError,
)
from aioglacier.core.models import UploadId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aioglacier.bulk.streams.upload import StreamUpload
    from aioglacier.cli.program.session import Session
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.recorded.resume import ResumedUpload
    from aioglacier.transfer.upload.source_upload import SourceUpload

STDIN: Final = "-"


def open_stdin() -> io.FileIO:
    """Standard input without a buffer, so that a pipe is waited for and not read ahead.

    Raises:
        SourceUnreadableError: It is closed.
    """
    if sys.stdin is None:
        raise SourceUnreadableError("standard input is closed", path=STDIN)
    file = io.FileIO(0, closefd=False)
    file.name = "standard input"  # for messages
    return file


async def run_upload(
    session: Session, label: str, upload: SourceUpload | ResumedUpload, *, is_resume: bool = False
) -> Archive:
    """Run an upload, with progress, and with something to say if it is stopped."""

    def safe() -> str:
        counters = upload.snapshot()
        if is_resume and not counters.taken:
            return "what was sent before is still at the service"
        return (
            f"{show_count(counters.done, 'byte')} of it kept by the service"
            if session.resume
            else "no archive was made"
        )

    session.safe = safe
    async with showing(session.output, label, upload, is_resume=is_resume):
        # What cannot be read again is better stopped at once: nothing could go on with it.
        with gently(session, upload) if session.resume else nullcontext():
            archive = await upload.run()
    session.safe = lambda: ""
    return archive


@contextmanager
def gently(session: Session, upload: SourceUpload | ResumedUpload | StreamUpload) -> Iterator[None]:
    """Let what is on its way arrive when a signal comes in the block."""
    import asyncio  # noqa: PLC0415  # not needed for help

    loop = asyncio.get_running_loop()
    with session.stopper.draining(lambda: loop.call_soon_threadsafe(upload.drain, DRAIN_SECONDS)):
        yield


async def note_told(vault: Vault, archive: Archive) -> None:
    """Record that an archive was printed, so that the next run need not report it."""
    if vault.records is not None:
        await vault.records.uploads.note_reported(archive)


@asynccontextmanager
async def keep_others_out(vault: Vault, upload_id: str, source: str | None = None) -> AsyncIterator[None]:
    """Keep every other process from going on with this upload, or with its file, during the block.

    ``source`` is another file that it is to go on with.

    Raises:
        UploadLockedError: Another one does.
        ResumeMismatchError: It is an upload to another vault.
    """
    records = vault.records
    assert records is not None  # noqa: S101  # the command line always keeps a catalog
    async with AsyncExitStack() as stack:
        locks = {upload_id}
        record = await records.uploads.find(UploadId(upload_id))
        if record is not None and record.source is not None:
            locks.add(record.source)
        if source is not None:
            locks.add(_absolute(source))
        for lock in sorted(locks):
            await stack.enter_async_context(records.catalog.lock_source(records.place, lock))
        yield


def offer_restart(
    session: Session, error: ResumeMismatchError, vault: str, upload_id: str | None
) -> ResumeMismatchError:
    """Say how to get on where the file is not what its unfinished upload was begun with."""
    error.vault, error.upload_id = vault, upload_id
    error.add_note(
        "--restart aborts the unfinished upload and sends the file from the beginning; --no-resume leaves "
        "that upload alone"
    )
    if upload_id:
        error.add_note(f"to only abort it: {abort_command(session, vault, upload_id)}")
    return error


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # a name of any bytes


def abort_command(session: Session, vault: str, upload_id: str) -> str:
    """The command line that aborts an upload."""
    return session.command("uploads", "abort", vault, f"--upload-id={upload_id}")


def point_to_abort(session: Session, error: GlacierError, vault: str) -> None:
    """Where nothing can go on with an upload, since its file is another one now, name what ends it."""
    if not isinstance(error, SourceChangedError | ResumeMismatchError) or error.upload_id is None:
        return
    session.resume = None
    if not getattr(error, "__notes__", None):
        command = abort_command(session, vault, error.upload_id)
        error.add_note(f"upload {error.upload_id} cannot be continued; to abort it: {command}")


def describe_name(name: str) -> str:
    """The description that a file gets: its name, or JSON where that could not be read back as it is."""
    if name.isascii() and name.isprintable() and decode(name).name == name:
        return name
    return json.dumps({"path": name})
