"""The MD5 of bodies, for stores that have no other checksum."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import InvalidParameterError, ServiceError
from aioglacier.files.reading import FileChangedError, FileRange, fill, make_block
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from aioglacier.core.errors import GlacierError
    from aioglacier.gateway.contract.protocols import Body

_BLOCK_SIZE: Final = 256 * 1024


def refuses_checksums(error: GlacierError) -> bool:
    """Return whether an error may mean that a store does not know the checksum headers."""
    return isinstance(error, InvalidParameterError) or (
        isinstance(error, ServiceError) and error.code == "NotImplemented"
    )


async def md5_of(body: Body) -> bytes:
    """Return the MD5 of a body, computed in a thread.

    Raises:
        SourceError: The body's file has changed, or cannot be read.
    """
    if isinstance(body, FileRange):
        return await run_in_thread(lambda: _of_file(body))
    return await run_in_thread(lambda: md5(body, usedforsecurity=False).digest())


def _of_file(body: FileRange) -> bytes:
    running, block = md5(usedforsecurity=False), make_block(_BLOCK_SIZE)
    for at in range(0, body.nbytes, _BLOCK_SIZE):
        view = block[: min(_BLOCK_SIZE, body.nbytes - at)]
        try:
            fill(view, body.descriptor, body.offset + at)
        except FileChangedError as error:
            raise source_changed(body.path, str(error)) from None
        except OSError as error:
            raise source_unreadable(body.path, body.offset + at, error) from error
        running.update(view)
    return running.digest()


def joined(parts: list[bytes]) -> bytes:
    """Return the MD5 in the entity tag of an object in parts: the MD5 of its parts' MD5s."""
    return md5(b"".join(parts), usedforsecurity=False).digest()
