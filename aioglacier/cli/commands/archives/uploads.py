"""``aioglacier uploads``: multipart uploads that were neither completed nor aborted."""

from __future__ import annotations

import importlib
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import CommandGroup, folding
from aioglacier.cli.program.parameters import LONG, PLACE_NAME
from aioglacier.cli.render.listing import print_all, show_total
from aioglacier.cli.render.printed_records import archive_record, archive_text, upload_record, upload_text
from aioglacier.cli.render.sizes import show_count, show_short_size, show_size
from aioglacier.cli.render.table import DATE, SENT, Column, Table, show_date
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.cli.shared.id_arguments import change_each, one_id, several_ids
from aioglacier.cli.shared.money import SPENDING, cost_record, cost_text
from aioglacier.cli.shared.uploading import (
    STDIN,
    RunningUploads,
    look_at,
    note_told,
    open_stdin,
    point_to_abort,
    size_of,
    warn_of_idle,
)
from aioglacier.core.errors import ResumeMismatchError, SourceChangedError
from aioglacier.core.inventory.descriptions import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.prices import Prices


_BUCKET: Final = "s3://"
_BUCKETS: Final = "aioglacier.cli.commands.buckets.unfinished_objects"
_COLUMNS: Final = (DATE, SENT, Column("PARTS", 6, 0, is_number=True), Column("STATE", 10, 0))


@click.group("uploads", cls=CommandGroup)
def command() -> None:
    """Unfinished uploads: list, show, resume, abort. A vault removes them after 24 idle hours, S3 never."""


@command.command("list")
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@LONG
async def _list(session: Session, glacier: Glacier, vault: str, is_long: bool) -> None:
    """List the unfinished uploads of PLACE, with the number of parts sent; the last one may be shorter.

    Uploads of unknown outcome come from the catalog: one that is "completing" may be an archive by now.
    """
    if vault.startswith(_BUCKET):
        await importlib.import_module(_BUCKETS).list_unfinished(session, glacier, vault, is_long=is_long)
        return
    of = glacier.vault(vault)
    text = upload_text if is_long else _line_of(Table(session.output, *_COLUMNS, last="NAME"))
    make = partial(upload_record, vault)
    count, sent = await print_all(session.output, of.known_uploads(), make, text, size="sent")
    if count:
        session.output.note(show_total(count, "unfinished upload", sent, is_long=is_long))
        await warn_of_idle(session, of)
    else:
        session.output.note(f"no unfinished uploads in vault {vault}")


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        state, name = record["state"], decode(record["description"]).name or "(no description)"
        if table.is_narrow and state != "open":  # the table has no room for the column
            name = f"{state}: {name}"
        date, sent = show_date(record["started"]), show_short_size(record["sent"])
        return table.row(date, sent, str(record["parts"]), state, name)

    return line


@command.command("show")
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@one_id("upload")
async def _show(session: Session, glacier: Glacier, vault: str, upload_id: str) -> None:
    """Show the unfinished upload UPLOAD_ID of VAULT."""
    upload = await glacier.vault(vault).unfinished_upload(upload_id)
    session.output.record(upload_record(vault, await upload.look_up()), upload_text)


def _check_source(given: dict[str, Any]) -> None:
    if given["source"] != STDIN:
        look_at(given["source"])


@command.command("resume", resumes=True)
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@one_id("upload", "SOURCE")
@folding(_check_source)
@SPENDING
@DRY_RUN
async def _resume(
    session: Session,
    glacier: Glacier,
    vault: str,
    upload_id: str,
    source: str,
    spending: Spending,
    dry_run: bool,
) -> None:
    """Finish the upload UPLOAD_ID of PLACE from SOURCE: the same file, or - for the same bytes piped again.

    Every part that the service has is hashed again here and compared; only the others are sent.
    """
    if vault.startswith(_BUCKET):
        resume = importlib.import_module(_BUCKETS).resume_object
        await resume(session, glacier, vault, upload_id, source, spending, dry_run=dry_run)
        return
    of = glacier.vault(vault)
    if dry_run:
        await _plan(session, of, upload_id, source, spending.prices(glacier))
        return
    is_pipe = source == STDIN  # it cannot be read again, so no later run can report its archive
    budget = spending.budget(glacier)
    async with of.spending(budget), of.lock_upload(upload_id, None if is_pipe else source):
        upload = await of.prepare_resume(
            upload_id, open_stdin() if is_pipe else source, awaits_report=not is_pipe
        )
        label = "standard input" if is_pipe else source
        try:
            archive = await RunningUploads(session, 1, budget).run(label, upload, is_resume=True)
        except (SourceChangedError, ResumeMismatchError) as error:
            point_to_abort(session, error, vault)
            raise
    session.output.record(archive_record(archive), archive_text)
    await note_told(of, archive)


async def _plan(session: Session, vault: Vault, upload_id: str, source: str, prices: Prices) -> None:
    size = None if source == STDIN else size_of(source)
    upload = await vault.unfinished_upload(upload_id)
    record = upload_record(vault.name, await upload.look_up())
    # A file that is too short fails with a better error.
    missing = None if size is None else max(0, size - record["sent"])
    cost = math.nan
    if missing is not None:
        cost = prices.uploads(-(-missing // record["part_size"]) + 1, 1) + prices.storing(missing)
    facts = {**record, "source": source, "size": size, "missing": missing, **cost_record(prices, cost)}
    tell_plan(
        session,
        "UploadMultipartPart",
        f"finish upload {upload_id} from {source!r}, of which {show_size(record['sent'])} are there; "
        f"the rest costs {cost_text(facts)}",
        **facts,
    )


@command.command("abort")
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@several_ids("upload")
@YES
@DRY_RUN
def _abort(session: Session, vault: str, ids: list[str], yes: bool, dry_run: bool) -> Ending:
    """Abort unfinished uploads of PLACE, and remove their parts. Asks first on a terminal.

    Aborting an upload twice is no error.
    """
    what = f"upload {ids[0]}" if len(ids) == 1 else show_count(len(ids), "upload")
    if dry_run:
        text = f"abort {what} and remove its parts"
        return tell_plan(session, "AbortMultipartUpload", text, vault=vault, upload_ids=ids)
    confirm(session, f"abort {what} and remove all parts sent", yes=yes, is_final=False)

    async def abort(glacier: Glacier) -> int:
        if vault.startswith(_BUCKET):
            code: int = await importlib.import_module(_BUCKETS).abort_unfinished(session, glacier, vault, ids)
            return code
        abort_one = glacier.vault(vault).abort_upload
        return await change_each(session, "upload", vault, ids, "aborted", abort_one)

    return abort
