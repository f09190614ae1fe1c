"""Streams that are encrypted on their way out, and decrypted on their way in, by a thread beside them."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread

from aioglacier.bulk.formats.age import BLOCK
from aioglacier.core.errors import TargetError
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.sources import open_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.formats.age import Identities, Recipients


@asynccontextmanager
async def sealing(
    source: object, recipients: Recipients, confirm: Callable[[], object] = lambda: None
) -> AsyncIterator[MemoryObjectReceiveStream[bytes]]:
    """What is encrypted of a stream, as something that can be archived while the block runs.

    It is never the same twice, so an upload of it cannot be resumed.

    Args:
        source: What ``Vault.upload`` takes, but for paths.
        recipients: Whom to encrypt to.
        confirm: Is called in a thread when all was read; what it raises is raised, and there is no end of the
            stream that could be taken for the real one.
    """
    stream = open_stream(source)
    give, take = anyio.create_memory_object_stream[bytes](0)

    async def read() -> bytes:
        block = bytearray(BLOCK)
        return bytes(memoryview(block)[: await stream.fill(memoryview(block))])

    async def seal() -> None:
        await run_in_thread(
            partial(
                recipients.seal_stream,
                lambda: anyio.from_thread.run(read),
                lambda block: anyio.from_thread.run(give.send, block),
            )
        )
        await run_in_thread(confirm)
        give.close()

    with give, take, first_cause():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seal)
            try:
                yield take
            finally:
                tasks.cancel_scope.cancel()


@asynccontextmanager
async def unsealing(
    write: Callable[[bytes], Awaitable[object]], identities: Identities
) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """A function that takes what is encrypted, in order; what it was goes to ``write``.

    A clean end of the block waits for the last of it.

    Raises:
        ConfigurationError: It was encrypted to others. Nothing was written.
        IntegrityError: It is not what was encrypted, or ends early; what was written is right as far as it
            goes.
    """
    give, take = anyio.create_memory_object_stream[bytes](0)

    async def read() -> bytes:
        try:
            return await take.receive()
        except anyio.EndOfStream:
            return b""

    async def pass_on(block: bytes) -> None:
        await write(block)

    async def unseal() -> None:
        await run_in_thread(
            partial(
                identities.unseal_stream,
                lambda: anyio.from_thread.run(read),
                lambda block: anyio.from_thread.run(pass_on, block),
            )
        )

    with give, take, first_cause():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(unseal)
            yield give.send
            give.close()


def sealed_name(target: str) -> str:
    """Where what is encrypted is kept until it is decrypted to the target."""
    folder, name = os.path.split(os.path.abspath(target))  # noqa: PTH100  # of any bytes
    return os.path.join(folder, f".{name}.age")  # noqa: PTH118


def unseal_to(target: str, identities: Identities) -> None:
    """Decrypt what is kept beside the target to it; only when it is whole and on disk it gets the name.

    Raises:
        ConfigurationError: It was encrypted to others; it stays.
        IntegrityError: It is not what was encrypted, or was not encrypted at all; likewise.
        TargetError: The target cannot be written.
    """
    sealed = sealed_name(target)
    plain = f"{sealed}.plain"
    try:
        with open(sealed, "rb", buffering=0) as source, open(plain, "wb", opener=_private) as file:  # noqa: PTH123
            identities.unseal_stream(partial(source.read, BLOCK), file.write)
            file.flush()
            os.fsync(file.fileno())
        os.replace(plain, target)  # noqa: PTH105
        os.unlink(sealed)  # noqa: PTH108
    except OSError as error:
        raise TargetError(f"{target!r} cannot be written: {error.strerror}", path=target) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(plain)  # noqa: PTH108


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
