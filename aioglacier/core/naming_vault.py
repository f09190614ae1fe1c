"""The one place that writes the vault's name into errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aioglacier.core.errors import GlacierError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def naming_vault(vault: str) -> Iterator[None]:
    """Set ``vault`` on every error that leaves the block without one."""
    try:
        yield
    except GlacierError as error:
        error.vault = error.vault or vault
        raise
