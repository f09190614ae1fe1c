"""Archive standard input in as many archives as it needs, and bring such a stream back."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import archive_record, as_text
from aioglacier.cli.render.progress import showing
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.render.stdout import open_stdout
from aioglacier.cli.shared.consent import tell_plan
from aioglacier.cli.shared.encrypting import save_unsealed, unsealed
from aioglacier.cli.shared.money import confirm_expedited, cost_record, cost_text
from aioglacier.cli.shared.uploading import gently, open_stdin
from aioglacier.core.limits import VAULT
from aioglacier.core.planning import choose_part_size
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk.formats.age import Identities, Recipients
    from aioglacier.bulk.streams.manifest import Manifest
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Tier
    from aioglacier.core.prices import Prices

STDOUT = "-"


def count_parts_of_piece(part_size: int | None, piece_size: int | None) -> int:
    """Return how many parts an archive has before the next one begins."""
    if piece_size is None:
        return VAULT.max_parts
    return max(1, min(VAULT.max_parts, piece_size // choose_part_size(None, part_size)))


def plan_record(
    vault: str, description: str | None, part_size: int | None, piece_size: int | None, prices: Prices
) -> Record:
    """Return the plan of an upload that rolls over, as far as it is known of a stream."""
    size = choose_part_size(None, part_size)
    parts = count_parts_of_piece(part_size, piece_size)
    return {
        "source": "-",
        "vault": vault,
        "description": description or "",
        "size": None,
        "part_size": size,
        "parts": None,
        "requests": None,
        "at_most": None,
        "piece_size": parts * size,
        **cost_record(prices, math.nan),
    }


async def upload_rolling(
    session: Session,
    vault: str,
    glacier: Glacier,
    *,
    description: str | None,
    part_size: int | None,
    piece_size: int | None,
    stream: str | None,
    position: int | None,
    recipients: Recipients | None,
    spending: Spending,
) -> int:
    """Archive standard input, and print the manifest."""
    from aioglacier.bulk.formats.age_streams import sealing  # noqa: PLC0415
    from aioglacier.bulk.streams.upload import StreamUpload  # noqa: PLC0415  # not needed for help

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(glacier.vault(vault).spending(spending.budget(glacier)))
        source: object = open_stdin()
        if recipients is not None:
            source = await stack.enter_async_context(sealing(source, recipients))
        rolling = StreamUpload(
            glacier.vault(vault),
            source,
            description=description,
            part_size=part_size,
            parts=count_parts_of_piece(part_size, piece_size),
            stream=stream,
            position=position,
        )

        def safe() -> str:
            if recipients is not None:
                return "an encrypted stream cannot be continued"
            return f"{show_count(rolling.snapshot().done, 'byte')} of it kept by the service"

        begun = await rolling.begin()
        if recipients is None:
            session.resume = session.same_command(stream=begun.nonce, position=None)
        session.safe = safe
        async with showing(session.output, "standard input", rolling, is_resume=stream is not None):
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


async def plan_rolling(
    session: Session, vault: str, archive_id: str, target: str, spending: Spending, glacier: Glacier
) -> int:
    """Print what a stream would cost; without a record of it, only the manifest's job is known."""
    from aioglacier.bulk.streams.download import find_manifest  # noqa: PLC0415  # not needed for help

    place = glacier.vault(vault)
    prices = spending.prices(glacier)
    manifest = await find_manifest(place, archive_id)
    facts = {"vault": vault, "manifest": archive_id, "target": target, "tier": spending.tier.value}
    if manifest is None:
        unknown = {"size": None, "pieces": None, "jobs": None, "retrieved": None, "cost": None}
        what = "retrieve the manifest, and then the pieces that it names"
        return tell_plan(session, "InitiateJob", what, **facts, **unknown)
    size, jobs, cost = await _price(place, manifest, spending.tier, prices)
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


async def _price(vault: Vault, manifest: Manifest, tier: Tier, prices: Prices) -> tuple[int, int, float]:
    """Return the bytes to retrieve, the jobs to start, and the cost of the whole download."""
    to_ask = [
        piece.size for piece in manifest.pieces if await vault.retrievals.find(piece.archive_id) is None
    ]
    size = sum(to_ask)
    return size, len(to_ask), prices.jobs(tier, size, len(to_ask)) + prices.transfer_out(manifest.size)


async def download_rolling(
    session: Session,
    vault: str,
    archive_id: str,
    target: str,
    spending: Spending,
    glacier: Glacier,
    *,
    overwrite: bool,
    identities: Identities | None = None,
) -> int:
    """Bring a stream back as one."""
    from aioglacier.bulk.streams.download import StreamDownload, find_manifest, read_manifest  # noqa: PLC0415

    place, budget = glacier.vault(vault), spending.budget(glacier)
    async with place.spending(budget):
        if await find_manifest(place, archive_id) is None:
            confirm_expedited(session, spending, math.nan, budget.prices, "retrieve the manifest of a stream")
        manifest = await read_manifest(place, archive_id, spending.tier)
        size, jobs, cost = await _price(place, manifest, spending.tier, budget.prices)
        budget.check(cost, "this download")
        if jobs:
            what = f"start {show_count(jobs, 'job')} for {show_size(size)}"
            confirm_expedited(session, spending, cost, budget.prices, what)
        download = StreamDownload(place, manifest, tier=spending.tier)
        if identities is not None and target != STDOUT:
            encrypted = landing.hidden_name(target, landing.ENCRYPTED)
            await download.check_room(encrypted, more=manifest.size)
        session.safe = lambda: f"{show_count(download.snapshot().done, 'byte')} fetched and verified"
        async with showing(session.output, "standard output" if target == STDOUT else target, download):
            if target == STDOUT:
                with open_stdout() as stdout:
                    async with unsealed(stdout.write, identities) as write:
                        await download.run(write)
            else:
                await save_unsealed(target, identities, download.save, overwrite=overwrite)
    session.safe = lambda: ""
    record = {
        "target": target,
        "vault": vault,
        "manifest": archive_id,
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
    return as_text(
        f"{target}: complete, each piece's tree hash is right",
        {**record, "cost": cost_text(record)},
        without={"target", "verified", "currency", "prices_of", "prices_seen"},
    )
