"""``aioglacier migrate``: the archives of a vault to an S3 bucket, proven; what was proven, deleted."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import CommandGroup, folding
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import (
    ANY_VAULT,
    BUCKET_PLACE_NAME,
    CLASS_NAME,
    DAYS,
    SIZE,
    URL,
    VAULT,
    Words,
    flag,
)
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.sizes import show_count, show_size, show_time
from aioglacier.cli.shared.archive_moves import ARCHIVES, run_move
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm_by_name
from aioglacier.cli.shared.money import RETRIEVING, SPENDING, cost_record, cost_text
from aioglacier.cli.shared.places import check_folder
from aioglacier.cli.shared.vault_lookup import require_key
from aioglacier.core.errors import BucketNotFoundError
from aioglacier.core.models import Tier
from aioglacier.core.place import parse_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aioglacier.bulk.archives.archive_choice import ArchiveOptions
    from aioglacier.bulk.archives.move_run import PaceOptions
    from aioglacier.bulk.archives.size_rules import SizeRule
    from aioglacier.catalog import Catalog
    from aioglacier.catalog.records import MoveRecord
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.s3.objects import StorageClass
    from aioglacier.migrate import TargetCosts

_TARGET_PLACE = click.argument("target", metavar="s3://BUCKET[/PREFIX]", type=BUCKET_PLACE_NAME)

#: The other side of a move: where the bucket is, and with which identity.
_TARGET = folding(
    lambda given: given.update(
        side=_Side(*(given.pop(name) for name in ("to_profile", "to_region", "to_endpoint_url", "to_owner")))
    ),
    click.option("--to-profile", metavar="NAME", help="The profile of AWS's files for the bucket's account."),
    click.option("--to-region", metavar="NAME", help="The bucket's region. Default: the vault's."),
    click.option("--to-endpoint-url", type=URL, metavar="URL", help="An S3 other than AWS's own."),
    click.option("--to-owner", metavar="ACCOUNT", help="The bucket's account. Default: the vault's."),
)


#: The usual longest time of a job (Glacier developer guide, "Archive retrieval options").
_LONGEST = {
    Tier.EXPEDITED: timedelta(minutes=5),
    Tier.STANDARD: timedelta(hours=5),
    Tier.BULK: timedelta(hours=12),
}

#: The states of archives in words, in the order of a move.
_STATES = {
    "done": ("proven", "deleting", "deleted"),
    "not asked for yet": ("planned",),
    "at the service": ("requested",),
    "ready to fetch": ("ready",),
    "being stored": ("open", "completing"),
    "failed": ("failed",),
    "deleted in the vault": ("deleted",),
}


class _Group(CommandGroup):
    """Takes a vault where the name of a command is expected: ``migrate VAULT`` is ``migrate run VAULT``."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """See ``click.Group.resolve_command``."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group("migrate", cls=_Group)
def command() -> None:
    """Move archives of a vault to S3's classes: migrate VAULT s3://BUCKET/PREFIX."""


class _Side:
    """The identity for the bucket."""

    def __init__(
        self, profile: str | None, region: str | None, endpoint_url: str | None, owner: str | None
    ) -> None:
        self.profile, self.region, self.endpoint_url, self.owner = profile, region, endpoint_url, owner

    @asynccontextmanager
    async def bucket(
        self, session: Session, glacier: Glacier, vault: str, target: str, storage_class: str | None = None
    ) -> AsyncIterator[Bucket]:
        """Open the bucket, over a connection of its own if it has an identity of its own."""
        place = parse_place(target)
        # Always given, so that a bucket of the same name in another account never gets the archives.
        owner = self.owner or (await glacier.vault(vault).describe()).arn.split(":")[4]
        if (self.profile, self.region, self.endpoint_url) == (None, None, None):
            yield glacier.bucket(place.name, storage_class, place.prefix or "", owner=owner)
            return
        from aioglacier.client.glacier import connect  # noqa: PLC0415  # not needed for help

        settings = session.settings
        async with connect(
            region_name=self.region or glacier.region,
            profile_name=self.profile or settings.profile,
            endpoint_url=settings.endpoint_url,
            s3_endpoint_url=self.endpoint_url,
            limits=settings.limits(),
            allow_insecure=settings.allow_insecure,
        ) as other:
            yield other.bucket(place.name, storage_class, place.prefix or "", owner=owner)


def _fold_waiting(given: dict[str, Any]) -> None:
    given["waits"] = not given.pop("no_wait")


def _fold_run(given: dict[str, Any]) -> None:
    from aioglacier.bulk import parse_class_rule  # noqa: PLC0415  # not needed for help

    if given["scratch"] is not None:
        check_folder(given["scratch"])
    given["class_rules"] = tuple(map(parse_class_rule, given["class_rules"]))
    for name in ("patterns", "exclude", "larger", "smaller", "waits"):
        given.pop(name)


@command.command("run", short_help="Move archives: the same as migrate VAULT s3://...", resumes=True)
@VAULT
@_TARGET_PLACE
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches.")
@click.option("--larger", type=SIZE, help="Only archives of this size or more.")
@click.option("--smaller", type=SIZE, help="Only archives of this size or less.")
@RETRIEVING
@folding(_fold_waiting, flag("--no-wait", "Start jobs, move what is ready, and leave the rest for later."))
@ARCHIVES
@click.option(
    "--storage-class", type=CLASS_NAME, metavar="CLASS", required=True, help="The class of the objects."
)
@click.option(
    "--class-rule",
    "class_rules",
    multiple=True,
    metavar="RULE",
    help="Another class by size, as size>1GiB:DEEP_ARCHIVE; the first rule that applies counts.",
)
@click.option(
    "--names",
    type=Words(["description", "id", "aws"]),
    default="description",
    show_default=True,
    help="Keys: by descriptions, ids, or as AWS's own tool, whose objects are compared and taken over.",
)
@click.option(
    "--bundle-up-to", type=SIZE, default=0, help="Store archives of this size or less together, in bundles."
)
@click.option(
    "--scratch", metavar="DIR", help="A folder for parts that do not fit the memory, two at a time."
)
@flag("--vault-tags", "Give each object the tags of the vault.", "takes_tags")
@_TARGET
@DRY_RUN
@folding(_fold_run)
async def _run(
    session: Session,
    glacier: Glacier,
    vault: str,
    target: str,
    archives: ArchiveOptions,
    pace: PaceOptions,
    spending: Spending,
    storage_class: str,
    class_rules: tuple[SizeRule[StorageClass], ...],
    names: str,
    takes_tags: bool,
    bundle_up_to: int,
    scratch: str | None,
    side: _Side,
    dry_run: bool,
) -> int:
    """Move archives of VAULT to S3, each proven on both sides. Nothing is deleted.

    PATTERN chooses by the names in the descriptions, as in a .gitignore; without any, all archives move.
    Read the inventory first. Stop it at will: the same command goes on, also after days.
    """
    from dataclasses import replace  # noqa: PLC0415  # not needed for help

    from aioglacier.migrate import Migration, MigrationOptions  # noqa: PLC0415

    budget = spending.budget(glacier)
    options = MigrationOptions(
        archives=replace(archives, with_folders=True),
        pace=pace,
        rules=class_rules,
        names=names,
        takes_tags=takes_tags,
        bundle_up_to=bundle_up_to,
        scratch=scratch,
    )
    async with side.bucket(session, glacier, vault, target, storage_class) as bucket:
        prices = partial(spending.prices_of, side.region or glacier.region)
        migration = Migration(glacier.vault(vault), bucket, budget, options, prices)
        try:
            for sentence in await migration.look_at_bucket():
                session.output.warn(sentence)
        except BucketNotFoundError:
            if not dry_run:
                raise
            session.output.warn(f"there is no bucket {bucket.name}; make it before you move anything")
        return await run_move(
            session,
            migration,
            spending,
            budget,
            pace,
            {"vault": vault, "target": target},
            safe="what was moved is proven, and parts that arrived are kept",
            is_dry_run=dry_run,
            more=lambda: _costs_record(migration.costs),
        )


def _costs_record(costs: TargetCosts | None) -> Record:
    """Return the bucket's side of a plan for its record; an unknown price is ``None``."""
    from aioglacier.core.prices import rounded  # noqa: PLC0415  # not needed for help

    if costs is None:
        return {}
    return {
        "bucket": {
            name: value if isinstance(value, int) else rounded(value)
            for name, value in costs._asdict().items()
        }
    }


@command.command("status")
@ANY_VAULT
async def _status(session: Session, catalog: Catalog, vault: str | None) -> None:
    """Show how far moves and restores of archives are, by the catalog alone.

    Without VAULT, of all vaults on record.
    """
    key = await require_key(session, catalog, vault) if vault is not None else None
    found = [move for move in await catalog.moves.list_all() if key in {None, move.key}]
    for move in found:
        session.output.record(await _status_record(catalog, move), _status_text)
    if not found:
        session.output.note("no archives are on their way")


async def _status_record(catalog: Catalog, move: MoveRecord) -> Record:
    totals = await catalog.moves.totals(move)
    spent = (await catalog.reports.vault(move.key)).spent
    prices = [each.price for each in spent]
    waiting = await catalog.moves.waiting(move)
    done_by = waiting.last + _LONGEST[waiting.tier] if waiting.last and waiting.tier else None
    return {
        "vault": move.key.vault,
        "target": move.target,
        "started": plain(move.started),
        "states": {
            state.value: {"archives": sums.archives, "size": sums.size} for state, sums in totals.items()
        },
        "failed_by": {cause: sums.archives for cause, sums in (await catalog.moves.failures(move)).items()},
        "asked_since": plain(waiting.since),
        "tier": plain(waiting.tier),
        "done_by": plain(done_by),
        "ready_until": plain(waiting.ready_until),
        "spent": None if None in prices else sum(price or 0 for price in prices) / 1e6,
        "currency": next((each.currency for each in spent if each.currency), None),
    }


def _status_text(record: Mapping[str, Any]) -> str:
    from aioglacier.core.prices import show_amount  # noqa: PLC0415  # not needed for help

    states, shown = record["states"], {}
    total = sum(sums["archives"] for sums in states.values())
    size = sum(sums["size"] for sums in states.values())
    for label, names in _STATES.items():
        found = [states[name] for name in names if name in states]
        archives, part = sum(sums["archives"] for sums in found), sum(sums["size"] for sums in found)
        if label == "done":
            shown[label] = f"{archives:,} of {show_count(total, 'archive')}, "
            shown[label] += f"{show_size(part)} of {show_size(size)}"
        elif found:
            shown[label] = f"{show_count(archives, 'archive')}, {show_size(part)}"
    if "at the service" in shown:
        shown["at the service"] += f", since {_minute(record['asked_since'])}"
    if record["done_by"]:
        shown["all of them by"] = f"{_minute(record['done_by'])}, as {record['tier']} jobs usually are"
    if record["ready_until"]:
        shown["fetch before"] = f"{_minute(record['ready_until'])}, or a job must be paid again"
    if record["failed_by"]:
        shown["failed by"] = ", ".join(f"{cause} {count:,}" for cause, count in record["failed_by"].items())
    if record["spent"]:
        shown["spent on this vault"] = f"about {show_amount(record['spent'], record['currency'])}"
    return as_text(f"{record['vault']} to {record['target']}, begun {_minute(record['started'])}", shown)


def _minute(text: str) -> str:
    return show_time(datetime.fromisoformat(text))


@command.command("report")
@VAULT
@_TARGET_PLACE
@_TARGET
async def _report(session: Session, glacier: Glacier, vault: str, target: str, side: _Side) -> int:
    """Compare the manifest of a move with the bucket's objects and the catalog.

    Each line is checked to follow from the one before it, and each object is looked at. What is not so is
    listed, and the exit code is 4.
    """
    from aioglacier.migrate import check_report  # noqa: PLC0415  # not needed for help

    async with side.bucket(session, glacier, vault, target) as bucket:
        report = await check_report(glacier.vault(vault), bucket)
    for finding in report.findings:
        session.output.record(
            {"event": "finding", "line": finding.line, "key": finding.key, "reason": finding.reason},
            lambda record: f"line {record['line']}: {record['key']}: {record['reason']}",
        )
    record = {
        "event": "summary",
        "vault": vault,
        "target": target,
        "lines": report.lines,
        "proven": report.proven,
        "unwritten": report.unwritten,
        "findings": report.count,
    }
    session.output.record(record, _report_text)
    return Exit.DONE if report.is_valid else Exit.INTEGRITY


def _report_text(record: Mapping[str, Any]) -> str:
    unwritten = f"; {record['unwritten']:,} more only in the catalog" if record["unwritten"] else ""
    return (
        f"{show_count(record['lines'], 'line')} in the manifest{unwritten}, {record['proven']:,} proven by "
        f"their objects, {show_count(record['findings'], 'finding')}"
    )


@command.command("delete-proven", resumes=True)
@VAULT
@_TARGET_PLACE
@click.option("--older-than", type=DAYS, metavar="DAYS", help="Only archives of at least this age.")
@flag("--delete-vault", "Also delete the vault, once its inventory lists nothing.")
@YES
@SPENDING
@_TARGET
@DRY_RUN
async def _delete_proven(
    session: Session,
    glacier: Glacier,
    vault: str,
    target: str,
    older_than: int | None,
    delete_vault: bool,
    spending: Spending,
    side: _Side,
    dry_run: bool,
) -> int:
    """Delete in VAULT the archives that are proven to be in the bucket.

    Each object is checked once more right before. Archives younger than 90 days are charged for the rest of
    that time, and objects deleted before their class's least time as well. To confirm, type the vault's name,
    or give --yes.
    """
    from aioglacier.migrate import ProvenDeletion  # noqa: PLC0415  # not needed for help

    budget = spending.budget(glacier)
    before = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    async with side.bucket(session, glacier, vault, target) as bucket:
        deletion = ProvenDeletion(glacier.vault(vault), bucket, budget, before)
        plan = await deletion.plan()
        record: dict[str, Any] = {
            "event": "plan",
            "vault": vault,
            "target": target,
            "archives": plan.archives,
            "size": plan.size,
            "younger": plan.younger,
            "locked": plan.locked,
            "first_free": plain(plan.first_free),
            "all_free": plain(plan.all_free),
            "others": plan.others,
            "early": plan.early,
            "objects_until": plain(plan.objects_until),
            **cost_record(budget.prices, plan.cost),
        }
        if dry_run:
            session.output.record(record, _deletion_text)
            return Exit.DONE
        if plan.archives and not spending.yes:  # nothing to delete is nothing to confirm
            confirm_by_name(session, _deletion_text(record), vault)
        done = await deletion.run()
    for finding in deletion.report.findings:
        session.output.warn(f"{finding.key} keeps its archive: {finding.reason}")
    cost = cost_record(budget.prices, budget.cost)
    record |= {"event": "summary", "deleted": done.deleted, "kept": deletion.report.count, **cost}
    session.output.record(record, _deleted_text)
    if deletion.report.count:
        return Exit.SOME_FAILED
    return await _delete_vault(session, glacier, vault) if delete_vault else Exit.DONE


def _deletion_text(record: Mapping[str, Any]) -> str:
    until = record["objects_until"]
    return (
        f"delete {show_count(record['archives'], 'proven archive')} in vault {record['vault']}, "
        f"{show_size(record['size'])}{_staying(record)}\n{record['early']:,} of them are younger than "
        f"90 days: {cost_text(record)} for the rest of that time"
        + (f"\ntheir objects in the bucket are charged until {until[:10]} at least" if until else "")
    )


def _deleted_text(record: Mapping[str, Any]) -> str:
    return f"{show_count(record['deleted'], 'archive')} deleted in {record['vault']}{_staying(record)}"


def _staying(record: Mapping[str, Any]) -> str:
    """Return why archives stay, if any do."""
    younger = f"; {record['younger']:,} younger ones stay" if record["younger"] else ""
    locked = ""
    if record["locked"]:
        free = f"from {record['first_free']} on, the last from {record['all_free']}"
        until = free if record["first_free"] else "as long as the policy stands"
        locked = f"; {record['locked']:,} stay, protected by a vault lock or the access policy: {until}"
    others = f"; {record['others']:,} that are not proven stay" if record["others"] else ""
    return f"{younger}{locked}{others}"


async def _delete_vault(session: Session, glacier: Glacier, vault: str) -> Exit:
    """Delete the vault if its inventory lists nothing; otherwise say when to come back."""
    description = await glacier.vault(vault).describe()  # for the date in the note
    reason = await glacier.vault(vault).why_not_deletable()
    if reason is not None:
        last = show_time(description.inventoried) if description.inventoried is not None else "none yet"
        session.output.note(
            f"vault {vault} is not deleted: {reason} (last inventory: {last}). The next inventory comes "
            f"within about a day; then: {session.resume}"
        )
        return Exit.NOT_YET
    await glacier.vault(vault).delete()
    session.output.record({"name": vault, "deleted": True}, lambda _: f"vault {vault} is deleted")
    return Exit.DONE
