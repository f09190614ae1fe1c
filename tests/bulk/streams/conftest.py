"""Streams, sent and read back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from aioglacier.bulk.streams.download import StreamDownload
from aioglacier.bulk.streams.upload import StreamUpload
from tests.bulk.conftest import MIB

if TYPE_CHECKING:
    import aioglacier
    from aioglacier.bulk.streams.manifest import Manifest
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault


async def upload(vault: Vault, content: bytes, **options: object) -> tuple[Manifest, aioglacier.Archive]:
    """A stream in archives of two parts of 1 MiB."""
    rolling = StreamUpload(vault, io.BytesIO(content), part_size=MIB, parts=2, **options)  # type: ignore[arg-type]
    return await rolling.run()


async def read_back(place: Vault | Bucket, manifest: Manifest) -> bytes:
    """The whole stream."""
    blocks: list[bytes] = []

    async def keep(block: bytes) -> None:
        blocks.append(bytes(block))

    await StreamDownload(place, manifest).run(keep)
    return b"".join(blocks)
