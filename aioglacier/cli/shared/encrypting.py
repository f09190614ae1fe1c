"""Options of encryption. Identities are in files, so no secret is on a command line."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from aioglacier.cli.program.command import folding
from aioglacier.cli.shared.uploading import STDIN, RunningUploads, UploadOptions, open_stdin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from aioglacier.bulk.formats.age import Identities, Recipients
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive


def _read_recipients(given: dict[str, Any]) -> None:
    keys, files = given.pop("recipients"), given.pop("recipient_files")
    given["recipients"] = None
    if keys or files:
        from aioglacier.bulk.formats.age import read_recipients  # noqa: PLC0415  # for encryption only

        given["recipients"] = read_recipients(keys, files)


def _read_identities(given: dict[str, Any]) -> None:
    from aioglacier.bulk.formats.age import read_identities  # noqa: PLC0415  # not needed for help

    given["identities"] = read_identities(given.pop("identity_files"))


#: Gives a command ``recipients``.
RECIPIENTS: Final = folding(
    _read_recipients,
    click.option(
        "--recipient",
        "recipients",
        multiple=True,
        metavar="KEY",
        help="Encrypt with age, to this public key (age1..., or one of OpenSSH). Needs "
        "'aioglacier[encryption]'.",
    ),
    click.option(
        "--recipients-file",
        "recipient_files",
        multiple=True,
        metavar="FILE",
        help="Encrypt to the public keys in FILE, one a line.",
    ),
)

#: Gives a command ``identities``.
IDENTITY: Final = folding(
    _read_identities,
    click.option(
        "--identity",
        "identity_files",
        multiple=True,
        metavar="FILE",
        help="Decrypt with the secret keys in FILE, as age-keygen makes it, or a private key of OpenSSH.",
    ),
)


async def upload_sealed(
    running: RunningUploads,
    place: Vault | Bucket,
    source: str,
    recipients: Recipients,
    options: UploadOptions,
    **more: Any,
) -> Archive:
    """Encrypt a file or standard input into one archive; ``more`` is what a bucket needs besides."""
    from aioglacier.bulk.formats.age_streams import sealing  # noqa: PLC0415  # not needed for help
    from aioglacier.core.planning import choose_part_size  # noqa: PLC0415
    from aioglacier.transfer.upload.named_file import look_at_file  # noqa: PLC0415

    part_size = options.part_size
    async with AsyncExitStack() as stack:
        if source == STDIN:
            sealed = await stack.enter_async_context(sealing(open_stdin(), recipients))
        else:
            named = await look_at_file(source)
            if part_size is None:  # so that what encryption adds fits as well
                part_size = choose_part_size(named.size + named.size // 4096 + 65536)
            file = stack.enter_context(open(named.path, "rb", buffering=0))  # noqa: ASYNC230, PTH123, SIM115
            sealed = await stack.enter_async_context(sealing(file, recipients, named.check_unchanged))
        upload = await place.prepare_upload(
            sealed,
            description=options.description,
            part_size=part_size,
            recorded_source=None if source == STDIN else source,
            **more,
        )
        archive = await running.run("standard input" if source == STDIN else source, upload, can_go_on=False)
    records = place.context.records
    if source != STDIN and records is not None:
        # Not the upload's source: an upload of a file can be resumed, and an encrypted one differs each time.
        path = os.path.abspath(source)  # noqa: ASYNC240, PTH100  # as for other sources
        await records.catalog.archives.record(records.key, archive, source=path)
    return archive


class Save(Protocol):
    """Fetches something to a file."""

    async def __call__(self, target: str, *, overwrite: bool) -> None:
        """Fetch it; a file of this name appears only once it is verified."""
        ...


async def save_unsealed(
    target: str,
    identities: Identities | None,
    save: Save,
    *,
    overwrite: bool,
    recording: AbstractAsyncContextManager[None] | None = None,
) -> None:
    """Save something to a file, decrypted if there are identities.

    ``recording`` is left once the file has its name. The encrypted file is removed after that: by it, the run
    after a killed one knows the file.
    """
    recording = recording or nullcontext()
    if identities is None:
        async with recording:
            await save(target, overwrite=overwrite)
        return
    from aioglacier.bulk.formats.age_streams import unseal_to  # noqa: PLC0415  # not needed for help
    from aioglacier.files import landing  # noqa: PLC0415
    from aioglacier.tasks.threads import run_in_thread  # noqa: PLC0415

    landing.check_download(target, overwrite=overwrite, is_encrypted=True)  # before all of it is fetched
    sealed = landing.hidden_name(target, landing.ENCRYPTED)
    async with recording:
        await save(sealed, overwrite=True)
        await run_in_thread(partial(unseal_to, target, identities, overwrite=overwrite))
    await run_in_thread(partial(os.unlink, sealed))


async def keep(target: str, *, overwrite: bool) -> None:
    """Leave a file as it is, as a ``Save`` that has nothing to fetch."""
    del target, overwrite


@asynccontextmanager
async def unsealed(
    write: Callable[[bytes], Awaitable[None]], identities: Identities | None
) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Give ``write``, or a function that decrypts for it if there are identities."""
    if identities is None:
        yield write
        return
    from aioglacier.bulk.formats.age_streams import unsealing  # noqa: PLC0415  # not needed for help

    async with unsealing(write, identities) as feed:
        yield feed
