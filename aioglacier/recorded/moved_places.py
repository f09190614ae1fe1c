"""The records of a server of one's own follow it to another port or folder when a connection to it opens.

A port changes from run to run, and the catalog knows a vault or bucket by its endpoint. A command that read
the record before the first answer from the new port would take a folder for a new one, or delete its archives
without a question. So the server is asked before anything is read.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from aioglacier.core.errors import CatalogMismatchError, ServiceError, UnexpectedResponseError
from aioglacier.core.place import parse_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aioglacier.catalog import Catalog, VaultKey
    from aioglacier.core.models import VaultDescription
    from aioglacier.core.s3.objects import BucketDescription


async def follow_moved(
    catalog: Catalog,
    here: VaultKey,
    list_places: Callable[[], AsyncIterator[VaultDescription | BucketDescription]],
    *,
    of_buckets: bool,
) -> None:
    """Move the records of vaults, or of buckets, that the server at ``here`` had at another port or folder.

    A place has moved if it has the name and the date of creation of one on record. The server is asked only
    if one on record may have moved; AWS's own endpoint, "", never does.

    Args:
        catalog: The catalog.
        here: The account itself, at the endpoint of the connection.
        list_places: Lists the vaults or the buckets.
        of_buckets: Which of the two it lists.
    """
    moved = await _find_moved(catalog, here, of_buckets=of_buckets) if here.endpoint else {}
    if not moved:
        return
    # A server may keep only one kind, or not let us list. Then the first answer about a place tells.
    with suppress(ServiceError, UnexpectedResponseError):
        async for found in list_places():
            for key in moved.get(found.name, ()):
                with suppress(CatalogMismatchError):  # the work on this place reports it
                    await catalog.archives.note_vault(key, "", found.created)


async def _find_moved(catalog: Catalog, here: VaultKey, *, of_buckets: bool) -> dict[str, set[VaultKey]]:
    """Return the keys that places on record would have here, by the names in the server's list."""
    known = set(await catalog.archives.vault_keys())
    moved: dict[str, set[VaultKey]] = {}
    for key in known:
        new = replace(key, endpoint=here.endpoint)
        if (
            key.vault
            and key.is_bucket == of_buckets
            and (key.region, key.account_id) == (here.region, here.account_id)
            and new not in known
            and key.may_have_moved_to(here.endpoint)
            and (await catalog.facts_of(key))[1] is not None
        ):
            moved.setdefault(parse_place(key.vault).name, set()).add(new)
    return moved
