"""The vault that the options mean, found on record without asking the service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog, Place
    from aioglacier.cli.program.global_options import Settings
    from aioglacier.cli.program.session import Session


async def find_place(session: Session, catalog: Catalog, vault: str) -> Place | None:
    """Return the vault of this name that the options mean, ``None`` if none is on record.

    Raises:
        CommandError: They mean several.
    """
    found = [place for place in await catalog.archives.places(vault) if is_meant(place, session.settings)]
    if len(found) > 1:
        raise CommandError(
            f"several vaults of that name are on record; say which with --region, --endpoint-url, --local or "
            f"--account-id: {'; '.join(map(str, found))}",
            Exit.USAGE,
        )
    return found[0] if found else None


async def require_place(session: Session, catalog: Catalog, vault: str) -> Place:
    """Return the same, which must be on record.

    Raises:
        CommandError: None is, or they mean several.
    """
    place = await find_place(session, catalog, vault)
    if place is None:
        raise CommandError(
            f"nothing is on record of vault {vault}; 'aioglacier inventory {vault}' fetches its list",
            Exit.OTHER,
        )
    return place


def is_meant(place: Place, settings: Settings) -> bool:
    """Return whether the options may mean this vault."""
    if settings.local is not None:
        return place.endpoint == f"local:{os.path.realpath(settings.local)}"
    endpoint = settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_GLACIER")
    region = _region(settings)
    return (
        (endpoint is None or urlsplit(place.endpoint).netloc == urlsplit(endpoint).netloc.rpartition("@")[2])
        and (region is None or place.region == region)
        and settings.account_id in {"-", place.account_id}
    )


def make_place(settings: Settings, vault: str, *, region: str | None) -> Place:
    """Return the vault of this name that the options mean, for a catalog without a record of it.

    Args:
        settings: The options.
        vault: Its name.
        region: What is known of its region otherwise, where the options say nothing.

    Raises:
        CommandError: Nothing says where it is.
    """
    from aioglacier.catalog import Place  # noqa: PLC0415  # SQLite takes long to load

    if settings.local is not None:
        from aioglacier.client.local_endpoint import REGION  # noqa: PLC0415  # loads the server

        return Place(vault, REGION, settings.account_id, f"local:{os.path.realpath(settings.local)}")
    found = _region(settings) or region
    if found is None:
        raise CommandError(f"nothing says where vault {vault} is; name its region with --region", Exit.USAGE)
    url = urlsplit(settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_GLACIER") or "")
    is_aws = url.netloc in {"", f"glacier.{found}.amazonaws.com"}
    return Place(vault, found, settings.account_id, "" if is_aws else f"{url.scheme}://{url.netloc}")


def _region(settings: Settings) -> str | None:
    return settings.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
