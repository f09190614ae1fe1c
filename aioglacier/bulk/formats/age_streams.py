"""Streams that a worker thread encrypts before an upload, and decrypts after a download."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread

from aioglacier.bulk.formats.age import BLOCK
from aioglacier.files import landing
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.upload.sources import as_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream
    from typing_extensions import Buffer

    from aioglacier.bulk.formats.age import Identities, Recipients


@asynccontextmanager
async def sealing(
    source: object, recipients: Recipients, confirm: Callable[[], object] = lambda: None
) -> AsyncIterator[MemoryObjectReceiveStream[bytes]]:
    """Encrypt a stream; the block gets a source that can be archived.

    age never gives the same output twice, so an upload of the source cannot be resumed.

    Args:
        source: What ``Vault.upload`` takes, except paths.
        recipients: The recipients to encrypt to.
        confirm: Is called in a thread after the last read. If it raises, the stream fails, so the archive is
            not completed.
    """
    stream = as_stream(source)
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
        await run_in_thread(confirm)  # before the end is passed on, which completes the archive
        give.close()

    with give, take, first_cause():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seal)
            try:
                yield take
            finally:
                tasks.cancel_scope.cancel()  # an upload that failed leaves the rest unread


@asynccontextmanager
async def unsealing(
    write: Callable[[bytes], Awaitable[object]], identities: Identities
) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Decrypt a stream; the block gets a function that takes encrypted bytes in order.

    ``write`` gets the decrypted bytes. A clean end of the block waits until all bytes are decrypted.

    Raises:
        ConfigurationError: The stream was encrypted to other recipients. Nothing was written.
        IntegrityError: The stream is damaged or ends early; the bytes written so far are authentic.
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


def unseal_to(target: str, identities: Identities, *, overwrite: bool) -> None:
    """Decrypt the hidden encrypted file beside a target to the target. The encrypted file stays.

    A target that has the decrypted bytes already, from a run that was killed, is left as it is.

    Raises:
        ConfigurationError: The file was encrypted to other recipients.
        IntegrityError: The file is damaged, or was never encrypted.
        TargetError: The target cannot be written, or exists with other bytes.
    """
    sealed = landing.hidden_name(target, landing.ENCRYPTED)
    try:
        if not overwrite and Path(target).is_file() and _is_unsealed(sealed, target, identities):
            return
        with (
            open(sealed, "rb", buffering=0) as source,  # noqa: PTH123
            landing.writing(target, overwrite=overwrite) as fd,
            open(fd, "wb", closefd=False) as file,
        ):
            # A stream without its end raises, and the target gets no name.
            identities.unseal_stream(partial(source.read, BLOCK), file.write)
    except OSError as error:
        raise landing.unwritable(target, error) from error


def _is_unsealed(sealed: str, target: str, identities: Identities) -> bool:
    """Return whether a file has what an encrypted file decrypts to."""
    with open(sealed, "rb", buffering=0) as source, open(target, "rb") as file:  # noqa: PTH123
        differs = False

        def compare(block: Buffer) -> int:
            nonlocal differs
            differs = differs or file.read(len(memoryview(block))) != bytes(block)
            return len(memoryview(block))

        identities.unseal_stream(partial(source.read, BLOCK), compare)
        return not differs and not file.read(1)
