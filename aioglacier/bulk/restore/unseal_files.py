"""Decrypt big files that were fetched whole, beside their places."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats.age import BLOCK, no_identity
from aioglacier.core.errors import IntegrityError
from aioglacier.core.treehash import TreeHash
from aioglacier.files.landing import write_all
from aioglacier.files.open_flags import NOFOLLOW

if TYPE_CHECKING:
    from aioglacier.bulk.formats.age import Identities
    from aioglacier.catalog.folders.entry_records import Entry

_READ: Final = os.O_RDONLY | NOFOLLOW
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW


def unseal_file(
    folder: int, sealed: bytes, plain: bytes, entry: Entry, identities: Identities | None
) -> None:
    """Decrypt a file beside itself, compare it with what was archived, and remove the encrypted one.

    Args:
        folder: A descriptor.
        sealed: The name of what is encrypted there.
        plain: The name of what is made; replaced if it is there.
        entry: What was archived.
        identities: Secret keys.

    Raises:
        ConfigurationError: No key opens it; it stays, so that it need not be fetched again.
        IntegrityError: It is not what was archived; nothing stays.
        OSError: It cannot be written.
    """
    if identities is None:
        raise no_identity()
    hasher = TreeHash()
    source = os.open(sealed, _READ, dir_fd=folder)
    try:
        with suppress(FileNotFoundError):
            os.unlink(plain, dir_fd=folder)
        target = os.open(plain, _NEW, 0o600, dir_fd=folder)
        try:

            def give(block: bytes) -> None:
                hasher.update(block)
                write_all(target, block)

            identities.unseal_stream(lambda: os.read(source, BLOCK), give)
        finally:
            os.close(target)
        if (actual := hasher.digest()) != entry.content_hash:
            raise IntegrityError(
                f"{os.fsdecode(entry.path)!r} came back damaged",
                expected=entry.content_hash or b"",
                actual=actual,
            )
    except IntegrityError:
        os.unlink(sealed, dir_fd=folder)
        os.unlink(plain, dir_fd=folder)
        raise
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(plain, dir_fd=folder)
        raise
    finally:
        os.close(source)
    os.unlink(sealed, dir_fd=folder)
