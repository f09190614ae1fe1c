"""``aioglacier delete s3://...``: delete objects for good, with what that costs said before."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.consent import confirm, tell_plan
from aioglacier.cli.shared.id_arguments import change_each
from aioglacier.cli.shared.losing_files import refuse_to_lose_files
from aioglacier.cli.shared.money import cost_record, cost_text
from aioglacier.core.errors import ObjectNotFoundError
from aioglacier.core.models import ArchiveId
from aioglacier.core.place import parse_place
from aioglacier.core.s3.objects import CLASS_TERMS, StorageClass
from aioglacier.core.spending import Budget, Charge, charging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.prices import Prices

_DAY: Final = timedelta(days=1)

#: Requests for the facts of an object before it is deleted: for the plan, for the charge and for its sidecar.
_HEADS: Final = 3


def delete_objects(
    session: Session, place: str, keys: Sequence[str], spending: Spending, *, lose_files: bool, dry_run: bool
) -> Ending:
    """Return what is to be done with a connection: price the deletions, ask, and delete."""
    found = parse_place(place).as_folder()

    async def work(glacier: Glacier) -> int:
        from aioglacier.bulk.places.bucket_place import delete_sidecar  # noqa: PLC0415  # not needed for help

        bucket = glacier.bucket(found.name, prefix=found.prefix or "")

        what = f"object {keys[0]}" if len(keys) == 1 else show_count(len(keys), "object")
        cost, days, by_key = await _price(glacier, bucket, keys, spending)
        standard = spending.prices_of(glacier.region, StorageClass.STANDARD)
        budget = Budget(next(iter(by_key.values()), standard), spending.max_cost)
        looks = budget.prices.looking(heads=_HEADS * len(keys))
        record: Record = cost_record(budget.prices, cost + looks)
        note = f"less than {days} days of storage are charged as {days}: {cost_text(record)}" if days else ""
        if not dry_run:
            for _ in keys:
                budget.charge("HeadObject", Charge(heads=1))  # those that told the classes
            budget.check(cost, "the early deletion")
        for each in await bucket.context.places_on_record():
            prefix = parse_place(each.key.vault).prefix or ""
            below = [ArchiveId(key[len(prefix) :]) for key in _whole(bucket, keys) if key.startswith(prefix)]
            if below:
                owner = glacier.bucket(found.name, prefix=prefix)
                await refuse_to_lose_files(session, owner, below, lose_files=lose_files)
        if dry_run:
            text = f"delete {what} from {found}{note and f'; {note}'}"
            return tell_plan(session, "DeleteObject", text, place=str(found), keys=list(keys), **record)
        confirm(session, f"delete {what} from {found} for good", yes=spending.yes, note=note)
        session.resume = session.same_command(yes=True)  # the answer was given

        async def delete(key: str) -> None:
            with charging(by_key.get(key, budget.prices)):  # each object by the prices of its own class
                await bucket.delete(key)
            await delete_sidecar(bucket, key)

        async with bucket.context.spending(budget):
            return await change_each(session, "key", str(found), keys, "deleted", delete)

    return work


def _whole(bucket: Bucket, keys: Sequence[str]) -> list[str]:
    return [bucket.prefix + key for key in keys]


async def _price(
    glacier: Glacier, bucket: Bucket, keys: Sequence[str], spending: Spending
) -> tuple[float, int, dict[str, Prices]]:
    """Return the charge for deleting objects now, the longest minimum duration, and the prices by key."""
    cost, days, now = 0.0, 0, datetime.now(UTC)
    by_key: dict[str, Prices] = {}
    for key in keys:
        try:
            head = await bucket.head(key)
        except ObjectNotFoundError:  # deleting it is no error
            continue
        if head.storage_class not in CLASS_TERMS:
            cost = math.nan
            continue
        storage_class = StorageClass(head.storage_class)
        terms = CLASS_TERMS[storage_class]
        age = (now - head.modified) / _DAY
        if terms.minimum_days > age:
            days = max(days, terms.minimum_days)
            by_key[key] = spending.prices_of(glacier.region, storage_class)
            cost += by_key[key].early_deletion(head.size, age, 1)
    return cost, days, by_key
