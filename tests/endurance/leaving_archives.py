"""The archives that a move takes along: made in the vault by three programs, and found in the bucket."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aioglacier
from aioglacier import tree_hash
from aioglacier.bulk.formats.bundle_format import member_content
from aioglacier.bulk.formats.bundle_index import read_index
from aioglacier.bulk.formats.bundle_sidecar import SIDECAR_SUFFIX, decode_sidecar
from aioglacier.core.s3.moved_metadata import MOVE_FOLDER, description_of
from tests.bulk.archives.conftest import cloud_berry, fast_glacier, mt_aws
from tests.endurance.leaving_hosts import VAULT
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from typing_extensions import Buffer

    from tests.endurance.served import Served

MIB: Final = 1024 * 1024
KEYS: Final = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}


class Archived(NamedTuple):
    """An archive as it was made, or an object as it was found."""

    description: str
    tree_hash: str
    sha256: str
    size: int


def archived(description: str, content: Buffer) -> Archived:
    """Return an archive with these bytes."""
    return Archived(
        description, tree_hash(content).hex(), sha256(content).hexdigest(), memoryview(content).nbytes
    )


async def fill(source: Served, count: int, largest: int, chance: random.Random) -> Counter[Archived]:
    """Upload archives with three programs; return what was made."""
    import boto3  # noqa: PLC0415

    made: Counter[Archived] = Counter()
    foreign = boto3.client("glacier", endpoint_url=source.url, region_name="us-east-1", **KEYS)
    async with source.connect(memory_limit=256 * MIB) as glacier:
        vault = await glacier.create_vault(VAULT)
        for number in range(count):
            size = chance.randrange(MIB, largest * MIB) if number % 50 == 0 else chance.randrange(1, 20_000)
            content, description = chance.randbytes(size), describe(number)
            if number % 3 == 0:
                await vault.upload(content, description=description)
            elif number % 3 == 1 and size < 4 * MIB:
                foreign.upload_archive(vaultName=VAULT, archiveDescription=description, body=content)
            else:
                description = mt_aws(f"mt/{number}")
                await asyncio.to_thread(upload_as_mt_aws, foreign, content, description)
            made[archived(description, content)] += 1
    return made


def describe(number: int) -> str:
    """Return a description as one of several programs writes it, or one that a header would change."""
    name = f"d{number % 7}/file {number}"
    if number % 11 == 0:
        return ("same  name", r"%41 \u00e9 \ =?utf-8?q?a?=", "")[number % 3]
    makers = (mt_aws, fast_glacier, cloud_berry, lambda name: json.dumps({"path": name}), str)
    return makers[number % len(makers)](name)


def upload_as_mt_aws(client: Any, content: bytes, description: str) -> None:
    """Upload in parts of 1 MiB, one after the other, as mt-aws-glacier does by default."""
    begun = client.initiate_multipart_upload(
        vaultName=VAULT, archiveDescription=description, partSize=str(MIB)
    )
    upload = {"vaultName": VAULT, "uploadId": begun["uploadId"]}
    for start in range(0, len(content), MIB):
        part = content[start : start + MIB]
        span = f"bytes {start}-{start + len(part) - 1}/*"
        client.upload_multipart_part(**upload, range=span, body=part, checksum=tree_hash(part).hex())
    client.complete_multipart_upload(
        **upload, archiveSize=str(len(content)), checksum=tree_hash(content).hex()
    )


async def found_objects(target: str) -> Counter[Archived]:
    """Read every object, and return what it was."""
    found: Counter[Archived] = Counter()
    async with connected(target) as glacier:
        bucket = glacier.bucket("museum", "GLACIER_IR", "old/")
        assert [upload.key async for upload in bucket.uploads()] == []
        async for entry in bucket.objects():
            if entry.key.startswith(MOVE_FOLDER) or entry.key.endswith(SIDECAR_SUFFIX):
                continue
            if entry.key.startswith("bundles/"):
                found.update([member async for member in members_of(bucket, entry.key)])
                continue
            metadata = (await bucket.head(entry.key)).metadata
            hashed = sha256()
            async with (await bucket.retrieve(entry.key)).open_reader() as reader:
                async for block in reader:
                    hashed.update(block)
            found[
                Archived(
                    description_of(metadata), metadata["aioglacier-tree-hash"], hashed.hexdigest(), entry.size
                )
            ] += 1
    return found


async def members_of(bucket: aioglacier.Bucket, key: str) -> AsyncIterator[Archived]:
    """Read a bundle by its sidecar, and yield what each member was."""
    async with bucket.restored(key).open_reader() as reader:
        content = await reader.read()
    async with bucket.restored(key + SIDECAR_SUFFIX).open_reader() as reader:
        sidecar = decode_sidecar(await reader.read())
    for page in read_index(sidecar.index, sidecar.trailer, tree=1, run=1, upload=1, identities=None):
        for entry in page:
            start = entry.position or 0
            member = member_content(entry, content[start : start + (entry.stored or 0)])
            told = json.loads(entry.extra or b"")["glacier"]
            assert tree_hash(member) == entry.content_hash
            yield archived(told["description"], member)


async def stored_size(target: str) -> int:
    """Return the bytes of all objects, the manifest among them."""
    async with connected(target) as glacier:
        bucket = glacier.bucket("museum", "GLACIER_IR", "old/")
        return sum([entry.size async for entry in bucket.objects()])


def connected(target: str) -> AbstractAsyncContextManager[aioglacier.Glacier]:
    """Connect to the target."""
    return aioglacier.connect(
        endpoint_url=target,
        s3_endpoint_url=target,
        region_name="us-east-1",
        limits=aioglacier.Limits(memory=256 * MIB),
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
