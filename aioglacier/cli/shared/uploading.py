"""Uploads of a command: standard input, progress, signals, and advice after errors."""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.stopping import DRAIN_SECONDS
from aioglacier.cli.render.progress import Speed, State, following, showing
from aioglacier.cli.render.sizes import show_count, show_rate, show_size, show_time
from aioglacier.core.errors import (
    GlacierError,
    ResumeMismatchError,
    SourceChangedError,
    SourceUnreadableError,
)
from aioglacier.core.limits import VAULT
from aioglacier.tasks.shard import WHOLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.streams.upload import StreamUpload
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive
    from aioglacier.core.spending import Budget
    from aioglacier.recorded.place_context import RecordedPlace
    from aioglacier.recorded.resume import ResumedUpload
    from aioglacier.tasks.shard import Shard
    from aioglacier.transfer.upload.source_upload import SourceUpload

STDIN: Final = "-"

_IDLE_LIMIT: Final = timedelta(seconds=VAULT.upload_idle_seconds)

#: Named at the start of an upload; the rest is counted.
_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The arguments and options of ``upload``; see its help. ``vault`` is the place."""

    vault: str
    sources: tuple[str, ...]
    files_from: str | None
    description: str | None
    storage_class: str | None
    metadata: tuple[str, ...]
    overwrite: bool
    checksum: str | None
    part_size: int | None
    expected_size: int | None
    no_resume: bool
    restart: bool
    again: bool
    recipients: Recipients | None
    roll_over: bool
    piece_size: int | None
    stream: str | None
    position: int | None
    shard: Shard | None
    spending: Spending
    dry_run: bool


def open_stdin() -> io.FileIO:
    """Open standard input without a buffer, so that a pipe is not read ahead."""
    if sys.stdin is None:
        raise SourceUnreadableError("standard input is closed", path=STDIN)
    file = io.FileIO(0, closefd=False)
    file.name = "standard input"  # for messages
    return file


def look_at(source: str) -> os.stat_result:
    """Return the status of a file.

    Raises:
        SourceUnreadableError: It is not there, or cannot be looked at.
    """
    try:
        return os.stat(source)  # noqa: PTH116  # a name of any bytes
    except OSError as error:
        raise SourceUnreadableError(
            f"{source!r} cannot be read: {error.strerror}", path=source, errno=error.errno
        ) from error


def size_of(source: str) -> int:
    """Return the size of a regular file.

    Raises:
        SourceUnreadableError: It is not there, or something else.
    """
    status = look_at(source)
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnreadableError(f"{source!r} is not a regular file", path=source)
    return status.st_size


class RunningUploads:
    """The uploads of one command, side by side: one line of progress, and one answer to a signal.

    Attributes:
        stored: Sources that were skipped, because they are stored and unchanged.
        budget: The budget in force.
    """

    def __init__(self, session: Session, count: int, budget: Budget) -> None:
        self.stored: set[str] = set()
        self.budget = budget
        self._promised = 0.0
        self._session = session
        self._count = count
        self._ended = 0
        self._ended_size = 0
        self._speed = Speed(is_resume=False)
        self._running: dict[str, tuple[SourceUpload[Any] | ResumedUpload, bool]] = {}

    async def run(
        self,
        label: str,
        upload: SourceUpload[Any] | ResumedUpload,
        *,
        is_resume: bool = False,
        can_go_on: bool = True,
    ) -> Archive:
        """Run one of them. If no other run can go on with it, a signal stops it at once."""
        output, is_alone = self._session.output, self._count == 1
        if is_alone and not can_go_on:
            self._session.resume = None
        self._running[label] = upload, is_resume
        self._session.safe = self._safe
        async with AsyncExitStack() as stack:
            if is_alone:
                await stack.enter_async_context(showing(output, label, upload, is_resume=is_resume))
                if can_go_on:
                    stack.enter_context(gently(self._session, self))
            archive: Archive = await upload.run()
        del self._running[label]
        self._ended += 1
        self._ended_size += archive.size
        if not self._running:
            self._session.safe = lambda: ""
        return archive

    def check_cost(self, source: str, cost: float) -> None:
        """Refuse a source that would exceed the budget, together with those that were begun."""
        self.budget.check(self._promised + cost - self.budget.cost, f"the upload of {source!r}")
        self._promised += cost

    def skip(self, source: str) -> None:
        """Count a source that is stored already."""
        self.stored.add(source)
        self._ended += 1

    @asynccontextmanager
    async def showing(self) -> AsyncIterator[None]:
        """Show several as one, and let parts on their way arrive when a signal comes."""
        if self._count == 1:
            yield
            return
        async with following(self._session.output, self._look):
            with gently(self._session, self):
                yield

    def drain(self, seconds: float) -> None:
        """Stop gently; see ``SourceUpload.drain``."""
        for upload, _ in self._running.values():
            upload.drain(seconds)

    def _safe(self) -> str:
        counters = [upload.snapshot() for upload, _ in self._running.values()]
        if any(resumes for _, resumes in self._running.values()) and not any(each.taken for each in counters):
            return "the parts that were sent before are still at the service"
        if self._session.resume is None:
            return "no archive was made"
        return f"{show_count(sum(each.done for each in counters), 'byte')} of it kept by the service"

    def _look(self) -> State:
        counters = [upload.snapshot() for upload, _ in self._running.values()]
        done = self._ended_size + sum(each.done for each in counters)
        rate = self._speed.look(
            time.monotonic(), self._ended_size + sum(each.moved for each in counters), done
        )
        facts = (
            f"{self._ended:,} of {show_count(self._count, 'file')} done",
            f"{show_size(done)} sent",
            show_rate(round(rate), 1) if rate else "",
        )
        return State("uploading", self._ended, self._count, facts)


@contextmanager
def gently(session: Session, upload: RunningUploads | StreamUpload) -> Iterator[None]:
    """Let parts on their way arrive when a signal comes in the block."""
    import asyncio  # noqa: PLC0415  # not needed for help

    loop = asyncio.get_running_loop()
    # A handler of signals must not touch the loop itself.
    with session.stopper.draining(lambda: loop.call_soon_threadsafe(upload.drain, DRAIN_SECONDS)):
        yield


async def run_side_by_side(work: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
    """Run some work in several tasks; the first error ends all of them."""
    import anyio  # noqa: PLC0415  # not needed for help

    from aioglacier.tasks.groups import first_cause  # noqa: PLC0415

    with first_cause():
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(work)


async def note_told(place: Vault | Bucket, archive: Archive) -> None:
    """Record that an archive was printed, so that the next run need not print it."""
    if place.context.records is not None:
        await place.context.records.uploads.note_reported(archive)


def take_shard(sources: Sequence[str], options: UploadOptions) -> tuple[str, ...]:
    """Return the sources of the shard in the options, by their absolute paths; all without one."""
    shard = options.shard or WHOLE
    if shard.count > 1 and STDIN in sources:
        raise click.UsageError("--shard is for files; standard input cannot be divided")
    return tuple(each for each in sources if shard.has(_absolute(each)))


@asynccontextmanager
async def holding_shard(
    session: Session, context: RecordedPlace, sources: Sequence[str], options: UploadOptions
) -> AsyncIterator[None]:
    """Hold the shard in the options during the block; ``sources`` are those of all shards."""
    shard = options.shard
    if shard is None:
        yield  # each file has a lock of its own
        return
    from aioglacier.recorded.shard_locks import hold_shard  # noqa: PLC0415  # few need it

    async def begin(_former: object) -> None:
        mine = len(take_shard(sources, options))
        session.output.note(f"shard {shard} has {mine:,} of {show_count(len(sources), 'file')}")

    names = sha256(b"\0".join(sorted(map(_absolute, sources)))).hexdigest()
    work = f"upload of {len(sources)} files {names[:16]}"
    async with hold_shard(context.catalog, context.key, work, shard, begin):
        yield


def _absolute(source: str) -> bytes:
    return os.path.abspath(os.fsencode(source))  # noqa: PTH100  # a name of any bytes


def resume_with(session: Session, options: UploadOptions, left: Sequence[str]) -> str | None:
    """Return the command line that uploads the sources that are left."""
    # It skips what is stored. A list may be long, and shards know each other by the same list.
    if (options.files_from is not None and not options.again) or options.shard is not None:
        return session.same_command(restart=False)
    # A second --restart would abort what this run has sent.
    return session.same_command(sources=tuple(left), files_from=None, restart=False)


def tell_what_was_found(session: Session, source: str, upload: ResumedUpload) -> None:
    """Say what became of former uploads of a file."""
    record = upload.history.continued
    if upload.history.former is not None:
        session.output.warn(
            f"{source!r} as it was before is archive {upload.history.former.id}, which was never printed"
        )
    if upload.history.aborted is not None:
        begun = show_time(upload.history.aborted.created)
        session.output.note(f"aborted upload {upload.history.aborted.upload_id}, begun {begun}")
    if upload.is_stored:
        session.output.note(
            f"{source!r} is stored and unchanged, so it was skipped; --again makes another archive"
        )
    elif upload.archive is not None:
        session.output.note("the run before made the archive, and was stopped before it printed it")
    elif record is not None:
        session.output.note(f"going on with the upload begun {show_time(record.created)}")
    elif upload.candidates:
        session.output.note(
            f"going on with the upload begun {show_time(upload.candidates[0].upload.started)}"
        )
    tell_what_expired(session, upload)


def tell_what_expired(session: Session, upload: ResumedUpload) -> None:
    """Warn of uploads that cannot go on."""
    expired, upload.history.expired = upload.history.expired, None
    if expired is not None:
        session.output.warn(
            f"upload {expired.record.upload_id}, begun {show_time(expired.record.created)}, has expired, so "
            f"the file is sent again: {show_count(expired.size, 'byte')} of it had been sent before"
        )
    passed_over, upload.history.passed_over = upload.history.passed_over, []
    for found, error in passed_over:
        session.output.warn(
            f"the unfinished upload of {found.description!r} begun {show_time(found.started)} is left alone: "
            f"{error}; to abort it: {abort_command(session, upload.vault, found.id)}"
        )


def offer_restart(error: ResumeMismatchError) -> None:
    """Say how to go on where the file is not the one that its unfinished upload began with."""
    error.add_note(
        "--restart aborts the unfinished upload and sends the file from the beginning; --no-resume leaves "
        "that upload alone"
    )


def abort_command(session: Session, vault: str, upload_id: str) -> str:
    """Return the command line that aborts an upload."""
    return session.command("uploads", "abort", vault, f"--upload-id={upload_id}")


def point_to_abort(session: Session, error: GlacierError, vault: str) -> None:
    """Name the command that ends an upload whose file has changed, since nothing can continue it."""
    if isinstance(error, SourceChangedError | ResumeMismatchError) and error.upload_id is not None:
        session.resume = None
        command = abort_command(session, vault, error.upload_id)
        error.add_note(f"upload {error.upload_id} cannot be continued; to abort it: {command}")


async def warn_of_idle(session: Session, vault: Vault) -> None:
    """Warn of uploads to a vault that the service will soon remove."""
    if vault.records is None:
        return
    idle = await vault.records.uploads.list_idle()
    for upload in idle[:_MOST]:
        what = f"{upload.source!r}: nothing" if upload.source else "nothing"
        session.output.warn(
            f"{what} was sent to upload {upload.upload_id} since {show_time(upload.active)}; the service "
            f"removes it after {show_time(upload.active + _IDLE_LIMIT)}"
        )
    if len(idle) > _MOST:
        all_of_them = session.command("uploads", "list", vault.name)
        session.output.warn(f"and {len(idle) - _MOST} more: {all_of_them}")
