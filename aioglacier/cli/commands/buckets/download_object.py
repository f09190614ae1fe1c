"""``aioglacier download s3://...``: restore an object where that is necessary, and fetch it, verified."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import plain
from aioglacier.cli.render.progress import showing, waiting
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.render.stdout import open_stdout
from aioglacier.cli.shared.archive_names import file_name_of
from aioglacier.cli.shared.consent import tell_plan
from aioglacier.cli.shared.encrypting import keep, save_unsealed, unsealed
from aioglacier.cli.shared.money import confirm_expedited, cost_record, cost_text, priced_text
from aioglacier.cli.shared.stream_options import (
    IS_FETCHED,
    IS_THERE,
    STDOUT,
    StreamSource,
    check_download_target,
    download_rolling,
    plan_rolling,
    refuse_with_manifest,
)
from aioglacier.core.models import Tier
from aioglacier.core.place import parse_place
from aioglacier.core.prices import HEADS
from aioglacier.core.s3.object_checks import check_restore
from aioglacier.core.s3.objects import CLASS_TERMS, StorageClass
from aioglacier.core.spending import Budget, Charge
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk.streams.manifest import Manifest
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.stream_options import DownloadOptions
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.buckets.restore import Restore
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.prices import Prices
    from aioglacier.core.s3.objects import ObjectHead

#: What the tiers take (S3 user guide, "Understanding archive retrieval options").
_TAKES: Final[Mapping[tuple[str, Tier], str]] = {
    (StorageClass.GLACIER, Tier.EXPEDITED): "1 to 5 minutes",
    (StorageClass.GLACIER, Tier.STANDARD): "3 to 5 hours",
    (StorageClass.GLACIER, Tier.BULK): "5 to 12 hours",
    (StorageClass.DEEP_ARCHIVE, Tier.STANDARD): "12 hours",
    (StorageClass.DEEP_ARCHIVE, Tier.BULK): "48 hours",
}


def download_object(session: Session, options: DownloadOptions) -> Ending:
    """Check the target, and return what is to be done with a connection."""
    if options.job_id is not None:
        raise click.UsageError("--job-id is for vaults; a restore has no id")
    target = options.target or file_name_of(options.archive_id)
    options = replace(options, target=target)
    if target != STDOUT:
        check_download_target(options)
    session.output.to_stderr = target == STDOUT  # standard output carries the bytes
    if not options.is_manifest:
        return partial(_download, session, options)
    refuse_with_manifest(options)
    return partial(_download_stream, session, options)


async def _download_stream(session: Session, options: DownloadOptions, glacier: Glacier) -> int:
    """Bring a stream back, whose keys are those of the bucket without a prefix."""
    place = parse_place(options.vault).as_folder()
    bucket, key = glacier.bucket(place.name), (place.prefix or "") + options.archive_id
    async for entry in bucket.objects(f"{key}."):  # the first piece has the class of all
        prices = _prices(options, glacier, entry.storage_class)
        break
    else:
        prices = _prices(options, glacier, StorageClass.STANDARD)

    async def price(manifest: Manifest) -> tuple[int, int, float]:
        size = count = 0
        cost = 0.0
        for piece in manifest.pieces:
            head = await bucket.head(piece.archive_id)
            cost += _cost(bucket, prices, head, options)
            if not bucket.is_readable(head) and head.restore is None:
                size, count = size + head.size, count + 1
        return size, count, cost

    work = plan_rolling if options.dry_run else download_rolling
    return await work(session, replace(options, archive_id=key), StreamSource(bucket, prices, price))


async def _download(session: Session, options: DownloadOptions, glacier: Glacier) -> int:
    target, place = options.target, parse_place(options.vault).as_folder()
    bucket, key = glacier.bucket(place.name, prefix=place.prefix or ""), options.archive_id
    head = await bucket.head(key)
    is_there = bucket.is_readable(head)
    if not is_there:
        takes_days = head.storage_class != StorageClass.INTELLIGENT_TIERING  # it keeps what comes back
        days = options.days if takes_days else None
        check_restore(options.spending.tier, days, head.storage_class)
    prices = _prices(options, glacier, head.storage_class)
    budget = Budget(prices, options.spending.max_cost)
    cost = _cost(bucket, prices, head, options)
    facts = {
        "place": str(place),
        "key": key,
        "target": target,
        "size": head.size,
        "storage_class": head.storage_class,
        "byte_range": plain(options.byte_range),
        "tier": None if is_there else options.spending.tier.value,
        **cost_record(prices, cost),
    }
    if options.dry_run:
        is_asked = is_there or head.restore is not None
        what = f"restore for {show_count(options.days, 'day')} and fetch"
        if is_asked:
            what = "fetch" if is_there else "wait for the restore that goes on, and fetch"
        text = f"{what} {show_size(head.size)} of {head.storage_class}, {cost_text(facts)}"
        return tell_plan(session, "GetObject" if is_asked else "RestoreObject", text, **facts)
    budget.charge("HeadObject", Charge(heads=1))  # the head above, which named the prices
    if await _is_delivered(bucket, budget, options):
        session.output.note(IS_THERE if options.identities is None else IS_FETCHED)
        session.output.record({**facts, **cost_record(prices, budget.cost), "verified": True}, _text)
        return Exit.DONE
    if target != STDOUT:  # before a restore is paid for
        landing.check_download_room(target, head.size, is_encrypted=options.identities is not None)
    budget.check(cost - budget.cost, "this download")  # the cost has the looks that were charged
    if not is_there and head.restore is None:  # a restore that goes on is paid for already
        what = f"restore {show_size(head.size)}"
        confirm_expedited(session, options.spending, cost, prices, what)
    async with bucket.context.spending(budget):
        restore = await bucket.retrieve(
            key,
            tier=options.spending.tier,
            days=options.days,
            byte_range=options.byte_range,
            again=options.is_new,
        )
        if not is_there:
            takes = _TAKES.get((head.storage_class, options.spending.tier))
            is_slow = restore.is_new and takes is not None and session.settings.local is None
            session.output.note(
                ("the restore was asked for" if restore.is_new else "a restore goes on")
                + (f"; {options.spending.tier} takes {takes}" if is_slow else "")
            )
            if options.no_wait and not bucket.is_readable(await bucket.head(key)):
                session.output.record({**facts, "state": "restoring"}, _restoring_text)
                session.output.note(f"not restored yet; to fetch it later: {session.resume}")
                return Exit.NOT_YET
            session.safe = lambda: f"the restore of {key} goes on at the service"
            async with waiting(session.output, f"waiting for the restore of {key}"):
                await restore.wait_until_done()
            session.safe = lambda: ""
        await _fetch(session, restore, target, options)
    session.output.record(
        {**facts, **cost_record(prices, budget.cost), "verified": not options.unverified}, _text
    )
    return Exit.DONE


async def _is_delivered(bucket: Bucket, budget: Budget, options: DownloadOptions) -> bool:
    """Return whether the target has the bytes of the object; refuse one that has others.

    Of an encrypted one, the file beside the target tells, and is decrypted.
    """
    target, identities = options.target, options.identities
    file = target if identities is None else landing.hidden_name(target, landing.ENCRYPTED)
    is_replaced = options.overwrite and identities is None
    if target == STDOUT or is_replaced or not os.path.lexists(file):  # noqa: ASYNC240  # one look
        return False
    async with bucket.context.spending(budget):
        restore = bucket.restored(options.archive_id, options.byte_range)
        is_it = await restore.is_delivered(file)
    if identities is None:
        landing.check_target(target, overwrite=is_it)  # nothing is paid for a file that is there
    elif is_it:
        await save_unsealed(target, identities, keep, overwrite=options.overwrite)
    return is_it


def _prices(options: DownloadOptions, glacier: Glacier, storage_class: str) -> Prices:
    known = StorageClass(storage_class) if storage_class in CLASS_TERMS else StorageClass.STANDARD
    return options.spending.prices_of(glacier.region, known)


def _cost(bucket: Bucket, prices: Prices, head: ObjectHead, options: DownloadOptions) -> float:
    """Return the cost: of a restore and its copy where one is necessary, and of the bytes that come."""
    if head.storage_class not in CLASS_TERMS:
        return math.nan
    size = options.byte_range.size if options.byte_range is not None else head.size
    looks = prices.looking(heads=1 + HEADS)  # the first named the prices
    if bucket.is_readable(head) or (head.restore is not None and head.restore.is_ongoing):
        return prices.fetching(size) + looks
    return prices.restore(options.spending.tier, head.size, options.days) + prices.fetching(0) + looks


async def _fetch(session: Session, restore: Restore, target: str, options: DownloadOptions) -> None:
    if target == STDOUT:
        with open_stdout() as stdout:
            async with (
                unsealed(stdout.write, options.identities) as write,
                restore.open_reader(unverified=options.unverified) as reader,
                showing(session.output, "standard output", reader),
            ):
                async for block in reader:
                    await write(block)
        return

    async def save(target: str, *, overwrite: bool) -> None:
        download = await restore.prepare_download(target, overwrite=overwrite, unverified=options.unverified)
        session.safe = lambda: f"{show_count(download.snapshot().done, 'byte')} fetched and verified"
        async with showing(session.output, Path(target).name, download):
            await download.run()
        session.safe = lambda: ""

    await save_unsealed(target, options.identities, save, overwrite=options.overwrite)


def _restoring_text(record: Record | Any) -> str:
    return priced_text(f"{record['key']}: being restored", record, without=("key", "target"))


def _text(record: Record | Any) -> str:
    target = "standard output" if record["target"] == STDOUT else record["target"]
    return priced_text(f"{target}: complete, its hashes are right", record, without=("target", "verified"))
