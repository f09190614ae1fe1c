"""Archive standard input in as many archives as it needs, and bring such a stream back."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import archive_record, as_text
from aioglacier.cli.render.progress import showing
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.render.stdout import open_stdout
from aioglacier.cli.shared.consent import tell_plan
from aioglacier.cli.shared.encrypting import save_unsealed, unsealed
from aioglacier.cli.shared.money import confirm_expedited, cost_record, cost_text, priced_text
from aioglacier.cli.shared.uploading import gently, open_stdin
from aioglacier.core.limits import VAULT
from aioglacier.core.planning import choose_part_size
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.streams.manifest import Manifest
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.cli.shared.uploading import UploadOptions
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.limits import PartLimits
    from aioglacier.core.prices import Prices
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.spending import Budget

STDOUT: Final = "-"


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """The arguments and options of ``download``. In a bucket, ``archive_id`` is the key.

    ``archive_id`` is empty where the name or the job says which archive, ``target`` where the name does.
    """

    vault: str
    archive_id: str
    name: str | None
    target: str
    job_id: str | None
    spending: Spending
    byte_range: ByteRange | None
    identities: Identities | None
    unverified: bool
    overwrite: bool
    is_new: bool
    is_manifest: bool
    days: int
    no_wait: bool
    dry_run: bool


def count_parts_of_piece(options: UploadOptions, limits: PartLimits = VAULT) -> int:
    """Return how many parts an archive has before the next one begins."""
    if options.piece_size is None:
        return limits.max_parts
    parts = options.piece_size // choose_part_size(None, options.part_size, limits)
    return max(1, min(limits.max_parts, parts))


async def upload_rolling(session: Session, options: UploadOptions, glacier: Glacier) -> int:
    """Archive standard input in a vault, and print the manifest."""
    budget = options.spending.budget(glacier)
    return await roll_over(session, options, glacier.vault(options.vault), budget)


async def roll_over(
    session: Session, options: UploadOptions, place: Vault | Bucket, budget: Budget, key: str = ""
) -> int:
    """Archive standard input, in a bucket under keys that begin with ``key``, and print the manifest."""
    from aioglacier.bulk.formats.age_streams import sealing  # noqa: PLC0415
    from aioglacier.bulk.streams.upload import StreamUpload  # noqa: PLC0415  # not needed for help

    is_sealed = options.recipients is not None
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(place.context.spending(budget))
        source: object = open_stdin()
        if options.recipients is not None:
            source = await stack.enter_async_context(sealing(source, options.recipients))
        rolling = StreamUpload(
            place,
            source,
            key=key,
            description=options.description,
            part_size=options.part_size,
            parts=count_parts_of_piece(options, place.context.limits),
            stream=options.stream,
            position=options.position,
        )

        def safe() -> str:
            if is_sealed:
                return "an encrypted stream cannot be continued"
            return f"{show_count(rolling.snapshot().done, 'byte')} of it kept by the service"

        begun = await rolling.begin()  # from here on the stream has a name to go on by
        if not is_sealed:
            session.resume = session.same_command(stream=begun.nonce, position=None)
        session.safe = safe
        is_resume = options.stream is not None
        async with showing(session.output, "standard input", rolling, is_resume=is_resume):
            with gently(session, rolling):
                manifest, archive = await rolling.run()
    session.safe = lambda: ""
    record = {
        **archive_record(archive),
        "stream": manifest.stream,
        "stream_size": manifest.size,
        "pieces": [piece.archive_id for piece in manifest.pieces],
    }
    session.output.record(record, _upload_text)
    return Exit.DONE


def _upload_text(record: Mapping[str, Any]) -> str:
    shown = {
        "manifest": record["archive_id"],
        "stream": record["stream"],
        "size": record["stream_size"],
        **{f"piece {index}": piece for index, piece in enumerate(record["pieces"])},
    }
    pieces = show_count(len(record["pieces"]), "archive")
    return as_text(f"standard input: {pieces}, and a manifest that ties them together", shown)


def refuse_with_manifest(options: DownloadOptions) -> None:
    """Refuse options that do not go with ``--manifest``."""
    if options.job_id is not None or options.byte_range is not None or options.no_wait or options.is_new:
        raise click.UsageError("--manifest is the whole stream: no --job-id, --byte-range, --no-wait, --new")


#: The note for a target that needs no download.
IS_THERE: Final = "the file is there already and has the right bytes; nothing is fetched"

#: The note for a target whose encrypted file was fetched by a run that was killed.
IS_FETCHED: Final = "the encrypted file was there already and has the right bytes; nothing is fetched"


def check_download_target(options: DownloadOptions) -> None:
    """Refuse a target that cannot be written, or is there and cannot be the file of an earlier run."""
    if options.dry_run:
        landing.check_target(options.target, overwrite=options.overwrite)
    else:
        is_encrypted = options.identities is not None
        landing.check_download(options.target, overwrite=options.overwrite, is_encrypted=is_encrypted)


class StreamSource(NamedTuple):
    """The place of a stream that is brought back.

    Attributes:
        place: The vault, or the bucket without a prefix.
        prices: The prices of its archives.
        price: Returns the bytes to retrieve, the retrievals to start, and the cost of the whole download.
    """

    place: Vault | Bucket
    prices: Prices
    price: Callable[[Manifest], Awaitable[tuple[int, int, float]]]


def vault_source(options: DownloadOptions, glacier: Glacier) -> StreamSource:
    """Return the place of a stream in a vault."""
    vault, tier, prices = (
        glacier.vault(options.vault),
        options.spending.tier,
        options.spending.prices(glacier),
    )

    async def price(manifest: Manifest) -> tuple[int, int, float]:
        to_ask = [
            piece.size for piece in manifest.pieces if await vault.retrievals.find(piece.archive_id) is None
        ]
        size = sum(to_ask)
        return size, len(to_ask), prices.jobs(tier, size, len(to_ask)) + prices.transfer_out(manifest.size)

    return StreamSource(vault, prices, price)


async def plan_rolling(session: Session, options: DownloadOptions, source: StreamSource) -> int:
    """Print what a stream would cost; without a record of it, only the manifest's retrieval is known."""
    from aioglacier.bulk.streams.download import find_manifest  # noqa: PLC0415  # not needed for help

    tier, prices = options.spending.tier, source.prices
    manifest = await find_manifest(source.place, options.archive_id)
    facts: dict[str, Any] = {
        "vault": options.vault,
        "manifest": options.archive_id,
        "target": options.target,
        "tier": tier.value,
    }
    if manifest is None:
        facts |= {"size": None, "pieces": None, "jobs": None, "retrieved": None}
        record = {**facts, **cost_record(prices, math.nan)}
        what = f"retrieve the manifest, and then the pieces that it names, {cost_text(record)}"
        return tell_plan(session, "InitiateJob", what, **record)
    size, jobs, cost = await source.price(manifest)
    record = {
        **facts,
        "size": manifest.size,
        "pieces": len(manifest.pieces),
        "jobs": jobs,
        "retrieved": size,
        **cost_record(prices, cost),
    }
    what = f"start {show_count(jobs, 'job')} for {show_size(size)}, {cost_text(record)}"
    return tell_plan(session, "InitiateJob", what, **record)


async def download_rolling(session: Session, options: DownloadOptions, source: StreamSource) -> int:
    """Bring a stream back as one."""
    from aioglacier.bulk.places.any_place import is_asked_for  # noqa: PLC0415  # not needed for help
    from aioglacier.bulk.streams.download import StreamDownload, find_manifest, read_manifest  # noqa: PLC0415
    from aioglacier.core.spending import Budget  # noqa: PLC0415  # not needed for help

    place, spending, target = source.place, options.spending, options.target
    budget = Budget(source.prices, spending.max_cost)
    async with place.context.spending(budget):
        if await find_manifest(place, options.archive_id) is None:
            if target != STDOUT and not await is_asked_for(place, options.archive_id):
                landing.check_target(
                    target, overwrite=options.overwrite
                )  # nothing is paid for one that is there
            confirm_expedited(session, spending, math.nan, budget.prices, "retrieve the manifest of a stream")
        # A job of hours, if it was not read before.
        manifest = await read_manifest(place, options.archive_id, spending.tier, options.days)
        size, jobs, cost = await source.price(manifest)
        budget.check(cost, "this download")  # all of it before the first job
        if jobs:
            what = f"start {show_count(jobs, 'job')} for {show_size(size)}"
            confirm_expedited(session, spending, cost, budget.prices, what)
        download = StreamDownload(place, manifest, tier=spending.tier, days=options.days)
        if options.identities is not None and target != STDOUT:
            await download.check_room(target, is_encrypted=True)
        session.safe = lambda: f"{show_count(download.snapshot().done, 'byte')} fetched and verified"
        async with showing(session.output, "standard output" if target == STDOUT else target, download):
            if target == STDOUT:
                with open_stdout() as stdout:
                    async with unsealed(stdout.write, options.identities) as write:
                        await download.run(write)
            else:
                await save_unsealed(target, options.identities, download.save, overwrite=options.overwrite)
    session.safe = lambda: ""
    record = {
        "target": target,
        "vault": options.vault,
        "manifest": options.archive_id,
        "size": manifest.size,
        "pieces": len(manifest.pieces),
        "jobs_started": download.started,
        "verified": True,
        **cost_record(budget.prices, budget.cost),
    }
    session.output.record(record, _download_text)
    return Exit.DONE


def _download_text(record: Mapping[str, Any]) -> str:
    target = "standard output" if record["target"] == STDOUT else record["target"]
    headline = f"{target}: complete, each piece's tree hash is right"
    return priced_text(headline, record, without=("target", "verified"))
