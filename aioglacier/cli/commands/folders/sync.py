"""``aioglacier sync``: a folder to a vault or a bucket."""

from __future__ import annotations

import codecs
import os
import time
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command, folding, take_options
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import PLACE, SHARD, SIZE, STORAGE_CLASS, flag
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.program.stopping import DRAIN_SECONDS
from aioglacier.cli.render.progress import Speed, State
from aioglacier.cli.render.sizes import show_count, show_seconds, show_size
from aioglacier.cli.shared.encrypting import RECIPIENTS
from aioglacier.cli.shared.folder_events import (
    HOST,
    moving,
    snapshot_record,
    summarize,
    tell_failures,
    telling,
)
from aioglacier.cli.shared.id_arguments import read_names
from aioglacier.cli.shared.money import SPENDING, cost_record, cost_text
from aioglacier.cli.shared.places import check_class, check_folder
from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.bulk.sync.plan import SyncOptions
    from aioglacier.bulk.sync.sync import FolderSync
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier


#: Patterns at the top of a folder that every sync of it excludes.
IGNORE_FILE: Final = ".aioglacierignore"


def _fold(given: dict[str, Any]) -> None:
    from aioglacier.bulk.sync.packing import LARGEST_MEMBER  # noqa: PLC0415  # not needed for help
    from aioglacier.bulk.sync.plan import SyncOptions  # noqa: PLC0415
    from aioglacier.bulk.sync.scan import ScanRules  # noqa: PLC0415

    check_folder(given["directory"])
    check_class(given["place"], given["storage_class"])
    lasting = os.path.join(given["directory"], IGNORE_FILE)  # noqa: PTH118  # of any bytes
    files = [*([lasting] if os.path.isfile(lasting) else []), *given.pop("exclude_from")]  # noqa: PTH113  # as above
    # What the command line excludes counts last, so that it can exclude what the file brings back.
    given["exclude"] = (*read_patterns(files), *given["exclude"])
    given["rules"] = take_options(ScanRules, given)
    if (names := given.pop("files_from")) is not None:
        given["only"] = _paths_below(given["directory"], read_names(names))
    options = take_options(SyncOptions, given)
    if options.allows_plain and options.recipients is not None:
        raise click.UsageError("--no-encryption has no recipients; give one or the other")
    if options.bundle_size is not None and options.bundle_size < MIB:
        raise click.UsageError(f"a bundle has 1MiB or more, not {options.bundle_size} bytes")
    if options.largest_member > LARGEST_MEMBER:
        raise click.UsageError(
            f"what goes into a bundle has 16MiB or less, not {options.largest_member} bytes"
        )
    given["options"] = options


@make_command(
    "sync", short_help="Take a folder to a vault or a bucket: what is new or has changed.", resumes=True
)
@click.argument("directory", metavar="DIR")
@PLACE
@STORAGE_CLASS
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Leave out paths that match, as in a .gitignore."
)
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="Keep paths that --exclude would leave out."
)
@click.option("--exclude-from", multiple=True, metavar="FILE", help="Patterns to exclude, one a line.")
@click.option(
    "--files-from",
    metavar="FILE",
    help="Only the paths below DIR that FILE names: one a line, or ended by NUL as find -print0 does; - is "
    "stdin. All other paths stay on record as they are.",
)
@flag("--one-file-system", "Leave out what is mounted below DIR; the mount points are archived.")
@flag("--exclude-caches", "Leave out what is in folders with a CACHEDIR.TAG, as browsers and builds write.")
@click.option("--exclude-larger-than", type=SIZE, help="Leave out files with more bytes than this.")
@SHARD
@flag("--checksum", "Read every file, whatever its size and time say.", "is_thorough")
@flag("--compress", "Compress small files with zstd; tar --zstd reads that.")
@RECIPIENTS
@flag("--no-encryption", "Stop encrypting, although the last sync encrypted.", "allows_plain")
@flag(
    "--accept-removals",
    "Record paths as removed even if most of the folder is gone. Without it none is recorded then, and the "
    "exit code is 3: a disk may not be mounted.",
    "accepts_removals",
)
@click.option(
    "--bundle-up-to",
    "largest_member",
    type=SIZE,
    help="Files of up to this size go into bundles. Default, and at most: 16MiB.",
)
@click.option(
    "--bundle-size",
    type=SIZE,
    help="Where a bundle of small files ends. Default: 4GiB; 256MiB in GLACIER and DEEP_ARCHIVE.",
)
@HOST
@flag("--dry-run", "Print what would be done and cost; ask nothing of the service.")
@SPENDING
@folding(_fold)
async def command(
    session: Session,
    glacier: Glacier,
    directory: str,
    place: str,
    storage_class: str | None,
    options: SyncOptions,
    spending: Spending,
    dry_run: bool,
) -> int:
    """Archive in PLACE the files of the folder DIR that are new or changed since the last sync.

    PLACE is a vault, or s3://BUCKET[/PREFIX] with the storage class of what is written.

    Files of up to 16 MiB are packed into bundles, which are tar archives; each larger file is an archive of
    its own. The catalog records which file is in which archive; 'restore' brings back all files or some, also
    from an earlier state. Files that are no longer in DIR are recorded as removed: nothing is deleted at the
    service.

    The patterns in the file DIR/.aioglacierignore are excluded, too. A path that was archived before it was
    excluded stays on record.

    With --recipient, names and contents are encrypted before they leave this machine; the catalog has them in
    plain. Lost keys are lost files.

    You can stop it at any moment and run it again. Files that cannot be read are listed, the others are
    archived, and the exit code is 3.
    """
    import asyncio  # noqa: PLC0415  # not needed for help

    from aioglacier.bulk.sync.sync import FolderSync  # noqa: PLC0415
    from aioglacier.client.vault import Vault  # noqa: PLC0415
    from aioglacier.core.errors import OutcomeUnknownError  # noqa: PLC0415
    from aioglacier.core.prices import rounded  # noqa: PLC0415
    from aioglacier.files.host import return_freed_memory  # noqa: PLC0415

    return_freed_memory()
    opened = glacier.place(place, storage_class)
    budget = spending.budget(glacier, None if isinstance(opened, Vault) else opened.storage_class)
    prices = budget.prices
    if dry_run or budget.limit is not None:  # only a plan tells the cost before anything is sent
        sync = FolderSync(opened, directory, options)
        async with telling(session, sync.snapshot, lambda: _state(sync, None)):
            plan = await sync.plan()
        cost = plan.cost(prices)
        if dry_run:
            record = {
                "event": "plan",
                "vault": place,
                "folder": os.path.realpath(directory),  # noqa: ASYNC240  # one link, at the end
                **snapshot_record(plan),
                **cost_record(prices, cost),
                "cost_each_month": rounded(prices.month(plan.sent, plan.bundles + plan.big_files)),
            }
            session.output.record(record, _plan_text)
            return Exit.SOME_FAILED if plan.failed else Exit.DONE
        budget.check(cost, "this sync")
    sync = FolderSync(opened, directory, options)
    session.safe = lambda: _safe(sync)
    speed = Speed(is_resume=False)
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    async with opened.context.spending(budget):
        await sync.prepare()
    noticed = len(sync.notices)  # those after it come from the run
    for sentence in sync.notices:  # before anything is sent: the catalog may be a new one
        session.output.warn(sentence)
    async with telling(session, sync.snapshot, lambda: _state(sync, speed)):
        with session.stopper.draining(lambda: loop.call_soon_threadsafe(sync.drain, DRAIN_SECONDS)):
            async with opened.context.spending(budget):
                done = await sync.run()
    session.safe = lambda: ""
    tell_failures(session, sync.failures, done.failed)
    for sentence in (*map(str, sync.unknown), *sync.notices[noticed:]):
        session.output.warn(sentence)
    if sync.held_back:
        folders = ", ".join(repr(os.fsdecode(each)) for each in sync.unmounted)
        what = f"which were on another disk in {folders}," if folders else "most of the folder,"
        session.output.warn(
            f"{show_count(sync.held_back, 'path')} on record, {what} are gone. They were not recorded as "
            "removed: the disk may not be mounted. Use --accept-removals if they are removed"
        )
    summarize(session, done, cost_record(prices, budget.cost), started, _text, vault=place)
    undecided = sum(isinstance(failure.error, OutcomeUnknownError) for failure in sync.failures)
    if undecided or sync.unknown:
        session.output.warn(
            f"'aioglacier inventory {place}' tells what became of archives whose outcome is unknown, in some "
            "days at the latest; then run this again"
        )
    if done.failed > undecided or sync.held_back:
        return Exit.SOME_FAILED
    return Exit.TEMPORARY if undecided or sync.unknown else Exit.DONE


def _paths_below(directory: str, names: Sequence[str]) -> list[bytes]:
    """Return paths below a folder; a name is relative to it, or absolute."""
    root = os.path.abspath(directory)  # noqa: PTH100  # of any bytes
    below = [os.path.relpath(os.path.join(root, name), root) for name in names]  # noqa: PTH118  # as above
    for name, path in zip(names, below, strict=True):
        if path in {".", ".."} or path.startswith("../"):
            raise click.UsageError(f"--files-from names {name!r}, which is not below {directory!r}")
    return [os.fsencode(path) for path in below]


def read_patterns(files: Sequence[str]) -> list[str]:
    """Return the patterns in files, one a line. A byte order mark says which Unicode a file is in."""
    patterns: list[str] = []
    for name in files:
        try:
            with open(name, "rb") as file:  # noqa: PTH123  # a name of any bytes
                content = file.read()
            has_mark = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            text = content.decode("utf-16") if has_mark else content.decode("utf-8-sig", "surrogateescape")
        except OSError as error:
            raise CommandError(f"{name!r} cannot be read: {error.strerror}", Exit.USAGE) from error
        except UnicodeDecodeError as error:
            raise CommandError(
                f"{name!r} is not text in UTF-8 or UTF-16: {error.reason}", Exit.USAGE
            ) from error
        if "\0" in text:
            raise CommandError(f"{name!r} is not text: it has NUL bytes", Exit.USAGE)
        patterns += text.splitlines()
    return patterns


def _safe(sync: FolderSync) -> str:
    if not sync.given_up:
        return "what was archived is on record"
    lost = show_count(sync.given_up, "file")
    return f"what was archived before is on record; {lost} of a bundle that was not done in time go again"


def _state(sync: FolderSync, speed: Speed | None) -> State:
    now = sync.snapshot()
    total = None if now.is_looking else now.changed_size
    label = now.current[0] if now.current else "scanning" if now.is_looking else "archiving"
    facts = (
        f"{now.archived:,} of {show_count(now.changed, 'path')}",
        *moving(speed, now.sent, total),
        f"{now.failed:,} failed" if now.failed else "",
        f"{now.looked_at:,} scanned",
        f"by {show_count(now.workers, 'worker')}" if now.workers else "",
    )
    return State(label, min(now.sent, total) if total else now.sent, total, facts)


def _plan_text(record: Mapping[str, Any]) -> str:
    others = record["sidecars"] + record["heads"] + record["lists"]
    requests = show_count(record["requests"] - others, "upload request")
    requests += f" and {others} others" if others else ""
    lines = [
        f"{show_count(record['files'], 'path')} to archive, {show_size(record['size'])}",
        f"{record['unchanged']:,} unchanged, {record['removed']:,} removed",
        f"{show_count(record['bundles'], 'bundle')} and {show_count(record['big_files'], 'big file')}",
        f"{requests}, {show_size(record['sent'])}, {cost_text(record)}",
        f"kept each month: {cost_text({**record, 'cost': record['cost_each_month']})}",
    ]
    return "\n".join(lines)


def _text(record: Mapping[str, Any]) -> str:
    parts = [
        f"{show_count(record['archived'], 'path')} archived, {show_size(record['archived_size'])}",
        f"{record['unchanged']:,} unchanged",
    ]
    parts += [f"{record[name]:,} {name}" for name in ("recorded", "removed", "failed") if record[name]]
    cost = (
        f"; {show_count(record['archives'], 'archive')}, {show_count(record['requests'], 'upload request')}, "
        f"{cost_text(record)}"
        if record["requests"]
        else ""
    )
    return f"{', '.join(parts)} in {show_seconds(record['seconds'])}{cost}"
