"""Warnings about unfinished uploads that the service will soon remove, idle for almost a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aioglacier.cli.render.sizes import show_time
from aioglacier.core.limits import IDLE_WARNING_SECONDS, VAULT

if TYPE_CHECKING:
    from aioglacier.catalog import UploadRecord
    from aioglacier.cli.program.session import Session
    from aioglacier.client.vault import Vault

_IDLE_LIMIT: Final = timedelta(seconds=VAULT.upload_idle_seconds)
_WARN_AFTER: Final = timedelta(seconds=IDLE_WARNING_SECONDS)

#: Named at the start of an upload; the rest is counted.
_MOST: Final = 3


def idle_warning(upload: UploadRecord) -> str | None:
    """Return a warning for an upload that has been idle for long, otherwise ``None``."""
    if upload.upload_id is None or datetime.now(UTC) - upload.active < _WARN_AFTER:
        return None
    return (
        f"nothing was sent to upload {upload.upload_id} since {show_time(upload.active)}; the service "
        f"removes it after {show_time(upload.active + _IDLE_LIMIT)}"
    )


async def warn_of_idle(session: Session, vault: Vault) -> None:
    """Warn of uploads to a vault that the service will soon remove."""
    if vault.records is None:
        return
    unfinished = vault.records.catalog.uploads.list_unfinished(vault.records.key)
    warnings = [
        f"{upload.source!r}: {warning}" if upload.source else warning
        async for upload in unfinished
        if (warning := idle_warning(upload)) is not None
    ]
    for warning in warnings[:_MOST]:
        session.output.warn(warning)
    if len(warnings) > _MOST:
        session.output.warn(
            f"and {len(warnings) - _MOST} more: {session.command('uploads', 'list', vault.name)}"
        )
