"""``aioglacier verify``: a folder, the catalog and the vault held against each other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import command as make_command, folding, take_options
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import COUNT, PLACE, SHARD, flag
from aioglacier.cli.render.progress import State
from aioglacier.cli.render.sizes import show_count, show_seconds, show_size
from aioglacier.cli.shared.encrypting import IDENTITY
from aioglacier.cli.shared.folder_events import HOST, summarize, telling
from aioglacier.cli.shared.money import RETRIEVING, confirm_expedited, cost_record, cost_text
from aioglacier.cli.shared.places import check_folder, class_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk.verify import FolderVerify, VerifyOptions
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier


def _fold(given: dict[str, Any]) -> None:
    from aioglacier.bulk.verify import VerifyOptions  # noqa: PLC0415  # not needed for help

    check_folder(given["directory"])
    if given["identities"] is not None and not given["sample"]:
        raise click.UsageError("--identity decrypts what --sample retrieves; say how many MiB")
    given |= {"reads_files": not given.pop("quick"), "tier": given["spending"].tier}
    given["options"] = take_options(VerifyOptions, given)


@make_command("verify", resumes=True)
@click.argument("directory", metavar="DIR")
@PLACE
@flag("--quick", "Compare sizes and times only; read no file.")
@click.option(
    "--sample",
    type=COUNT,
    default=0,
    metavar="N",
    help="Retrieve N MiB of the archives, chosen by chance, and compare their hashes. Each is a paid job.",
)
@HOST
@SHARD
@RETRIEVING
@IDENTITY
@flag("--dry-run", "Print what the sample would cost; compare nothing.")
@folding(_fold)
async def command(
    session: Session,
    glacier: Glacier,
    directory: str,
    place: str,
    options: VerifyOptions,
    spending: Spending,
    dry_run: bool,
) -> int:
    """Compare the folder DIR with what 'sync' archived of it in PLACE.

    Every file is read and compared with its hash on record; the archives on record are compared with the
    inventories that 'inventory VAULT' has read, or with a list of a bucket's objects. With --sample some
    bytes of the archives are retrieved and compared with the hashes of their upload. With --identity the
    encrypted files that lie whole in the sample are decrypted and compared, too, which proves the key.

    Each finding is printed. If the folder has only changed since its last sync, the exit code is 3; if a
    file has rotted on this disk, or an archive is not what it should be, it is 4.
    """
    from aioglacier.bulk.findings import SERIOUS, Trouble  # noqa: PLC0415  # not needed for help
    from aioglacier.bulk.verify import FolderVerify  # noqa: PLC0415

    opened = glacier.place(place)
    budget = spending.budget(glacier, await class_of(opened))
    prices = budget.prices
    verify = FolderVerify(opened, directory, budget, options)
    if dry_run:
        record = {
            "event": "plan",
            "vault": place,
            "folder": directory,
            "jobs": options.sample,
            **cost_record(prices, await verify.sample_cost()),
        }
        session.output.record(record, _plan_text)
        return Exit.DONE
    if options.sample:
        what = f"retrieve a sample of {show_count(options.sample, 'MiB')}"
        confirm_expedited(session, spending, await verify.sample_cost(), prices, what)
    started = time.monotonic()
    async with telling(session, verify.snapshot, lambda: _state(verify)):
        done = await verify.run()
    for finding in verify.findings:
        record = {"event": "finding", "trouble": finding.trouble.value, "what": finding.what}
        session.output.record(record, _finding_text, is_last=False)
    if any(finding.trouble is Trouble.SUSPECT for finding in verify.findings):
        session.output.warn(
            "'sync' sends the files of a suspect archive again, and an inventory that lists it as on record "
            "ends the doubt; 'delete' takes one that is gone off the record"
        )
    cost = cost_record(prices, done.cost)
    summarize(session, done, cost, started, _text, vault=place, folder=directory)
    if any(finding.trouble in SERIOUS for finding in verify.findings):
        return Exit.INTEGRITY
    return Exit.SOME_FAILED if verify.findings else Exit.DONE


def _state(verify: FolderVerify) -> State:
    now = verify.snapshot()
    facts = (
        show_count(now.files, "path"),
        show_size(now.size),
        show_count(now.troubles, "finding") if now.troubles else "",
        f"{now.sampled:,} MiB sampled" if now.sampled else "",
        f"by {show_count(now.workers, 'worker')}" if now.workers else "",
    )
    return State("comparing", now.size, None, facts)


def _plan_text(record: Mapping[str, Any]) -> str:
    return f"{show_count(record['jobs'], 'job')} for the sample, {cost_text(record)}"


def _finding_text(record: Mapping[str, Any]) -> str:
    from aioglacier.cli.render.escaping import escape  # noqa: PLC0415

    return f"{record['trouble']}: {escape(record['what'])}"


def _text(record: Mapping[str, Any]) -> str:
    parts = [
        f"{show_count(record['files'], 'path')} compared, {show_size(record['size'])} read",
        show_count(record["archives"], "archive"),
    ]
    if record["sampled"]:
        parts.append(f"{record['sampled']:,} MiB came back as sent, {cost_text(record)}")
    if record["opened"]:
        parts.append(f"{show_count(record['opened'], 'file')} decrypted")
    if record["unarchived"]:
        parts.append(f"{record['unarchived']:,} not archived yet")
    findings = show_count(record["troubles"], "finding")
    return f"{', '.join(parts)} in {show_seconds(record['seconds'])}: {findings}"
