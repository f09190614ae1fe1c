"""The vault or bucket that the options mean, found on record without asking the service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.near_names import near

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog, VaultKey
    from aioglacier.cli.program.global_options import Settings
    from aioglacier.cli.program.session import Session


async def find_vault(session: Session, catalog: Catalog, vault: str) -> VaultKey | None:
    """Return the vault of this name that the options mean, ``None`` if none is on record."""
    keys = await catalog.archives.vault_keys(vault)
    found = [key for key in keys if _is_meant(key, session.settings)] or [
        key for key in keys if _is_meant(key, session.settings, has_moved=True)
    ]
    if len(found) > 1:
        raise CommandError(
            f"several vaults of that name are on record; say which with --region, --endpoint-url, --local or "
            f"--account-id: {'; '.join(map(str, found))}",
            Exit.USAGE,
        )
    return found[0] if found else None


async def require_key(session: Session, catalog: Catalog, vault: str) -> VaultKey:
    """Return the same, which must be on record."""
    key = await find_vault(session, catalog, vault)
    if key is None:
        what, fetching = f"vault {vault}", f"to fetch its list: {session.command('inventory', vault)}"
        if vault.startswith("s3://"):
            recover = session.command("catalog", "recover", vault)
            what, fetching = vault, f"to read what 'sync' took there: {recover}"
        hint = near(vault, {known.vault for known in await catalog.archives.vault_keys()} - {vault})
        raise CommandError(f"nothing is on record of {what}; {fetching}{hint}", Exit.OTHER)
    return key


def _is_meant(key: VaultKey, settings: Settings, *, has_moved: bool = False) -> bool:
    """Return whether the options may mean this vault, or what it was before a local Glacier moved."""
    if settings.local is not None:
        local = f"local:{os.path.realpath(settings.local)}"
        return key.may_have_moved_to(local) if has_moved else key.endpoint == local
    endpoint = _find_endpoint(settings, key.vault)
    region = find_region(settings)
    netloc = urlsplit(endpoint or "").netloc.rpartition("@")[2]
    return (
        (
            endpoint is None
            or urlsplit(key.endpoint).netloc == netloc
            or (has_moved and key.may_have_moved_to(endpoint))
        )
        and (region is None or key.region == region)
        and settings.account_id in {"-", key.account_id}
    )


def make_key(settings: Settings, vault: str, *, region: str | None) -> VaultKey:
    """Return the vault of this name that the options mean, for a catalog without a record of it.

    Where they name no region, ``region`` counts, if that is known.
    """
    from aioglacier.catalog import VaultKey  # noqa: PLC0415  # SQLite takes long to load

    found = find_region(settings) or region
    if found is None:
        raise CommandError(f"nothing says where vault {vault} is; name its region with --region", Exit.USAGE)
    if settings.local is not None:
        return VaultKey(vault, found, settings.account_id, f"local:{os.path.realpath(settings.local)}")
    url = urlsplit(_find_endpoint(settings, vault) or "")
    is_aws = not url.netloc or (url.hostname or "").endswith(".amazonaws.com")
    return VaultKey(vault, found, settings.account_id, "" if is_aws else f"{url.scheme}://{url.netloc}")


def _find_endpoint(settings: Settings, place: str) -> str | None:
    """Return the endpoint that the options or the environment name for a vault or a bucket."""
    service = "S3" if place.startswith("s3://") else "GLACIER"
    names = f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"
    return settings.endpoint_url or next(filter(None, map(os.environ.get, names)), None)


def find_region(settings: Settings) -> str | None:
    """Return the region that the options or the environment name; that of the local Glacier."""
    if settings.local is not None:
        from aioglacier.client.local_endpoint import REGION  # noqa: PLC0415  # loads the server

        return REGION
    return settings.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
