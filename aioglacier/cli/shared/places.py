"""The place of a command about folders, a vault or a bucket, and the class that its prices are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.core.checks import check_vault_name

if TYPE_CHECKING:
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.s3.objects import StorageClass

    _OfText = click.ParamType[str]
else:
    _OfText = click.ParamType  # generic since click 8.4 only


class _FolderPlaceName(_OfText):
    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param, ctx
        if not value.startswith("s3://"):
            return check_vault_name(value) if value else ""  # an empty word is refused with all others
        from aioglacier.core.place import parse_place  # noqa: PLC0415  # most name a vault

        return str(parse_place(value).as_folder())


#: A vault's name, or ``s3://BUCKET[/PREFIX]`` as one folder of keys.
PLACE: Final = click.argument("place", type=_FolderPlaceName())

STORAGE_CLASS: Final = click.option(
    "--storage-class",
    metavar="CLASS",
    help="In a bucket, where it must be named: GLACIER_IR, GLACIER or DEEP_ARCHIVE, as a rule.",
)


async def class_of(place: Vault | Bucket) -> StorageClass | None:
    """Return the storage class of what a bucket holds, for the prices; ``None`` for a vault."""
    from aioglacier.client.buckets.bucket import Bucket  # noqa: PLC0415  # most name a vault
    from aioglacier.core.s3.objects import StorageClass  # noqa: PLC0415

    if not isinstance(place, Bucket):
        return None
    async for entry in place.objects():
        if entry.storage_class != StorageClass.STANDARD and entry.storage_class in set(StorageClass):
            return StorageClass(entry.storage_class)
    return StorageClass.STANDARD


def open_for_writing(glacier: Glacier, place: str, storage_class: str | None) -> Vault | Bucket:
    """Return a vault, or a bucket with the class of what is written.

    Raises:
        InvalidPlanError: There is no such class.
        click.UsageError: A class is missing, or there is one for a vault.
    """
    if (storage_class is None) == place.startswith("s3://"):
        what = "needs" if storage_class is None else "is a vault, which has no"
        raise click.UsageError(f"{place} {what} --storage-class")
    return glacier.place(place, storage_class)
