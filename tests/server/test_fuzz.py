"""Many requests from a seed: none ends in a 5xx, none hangs, and the counters are right."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import settings

from aioglacier.core.limits import VAULT
from aioglacier.core.treehash import tree_hash
from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto, hashes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

REQUESTS = 60 * settings().max_examples
CONNECTIONS = 4
MIB = 1024 * 1024
TOPIC = "arn:aws:sns:us-east-1:012345678901:t"
ODD = [
    "",
    "0",
    "-1",
    "x",
    "\u00e9",
    "a" * 300,
    "9" * 30,
    "%00",
    "..",
    "null",
    "1e9",
    "bytes 0-",
    "'",
    '"',
    "{}",
]
PATHS = {
    "vaults": "GET",
    "vaults/{vault}": "PUT PUT GET DELETE",
    "vaults/{vault}/archives": "POST",
    "vaults/{vault}/archives/{archive}": "DELETE",
    "vaults/{vault}/multipart-uploads": "POST GET",
    "vaults/{vault}/multipart-uploads/{upload}": "PUT PUT POST GET DELETE",
    "vaults/{vault}/jobs": "POST POST GET",
    "vaults/{vault}/jobs/{job}": "GET",
    "vaults/{vault}/jobs/{job}/output": "GET",
    "vaults/{vault}/tags?operation=add": "POST",
    "vaults/{vault}/tags?operation=remove": "POST",
    "vaults/{vault}/tags": "GET",
    "vaults/{vault}/notification-configuration": "PUT GET DELETE",
    "vaults/{vault}/access-policy": "PUT GET DELETE",
    "vaults/{vault}/lock-policy": "POST GET DELETE",
    "vaults/{vault}/lock-policy/{odd}": "POST",
    "policies/data-retrieval": "PUT GET",
    "provisioned-capacity": "POST GET",
    "{odd}": "GET",
}
JSON_VALUES: list[object] = [
    None,
    0,
    -1,
    True,
    1.5,
    "x",
    "",
    [],
    {},
    [1],
    {"a": 1},
    "9" * 40,
    2**70,
    "\ud800",
    "\u0000",
]


@dataclass
class Fuzzer:
    """Makes requests out of what earlier answers gave, and out of nonsense."""

    chance: random.Random
    ids: dict[str, list[str]] = field(default_factory=lambda: {"archive": [], "upload": [], "job": []})

    def pick(self, kind: str) -> str:
        """An id that was given once, or something odd."""
        known = self.ids.get(kind, [])
        if kind == "vault":
            known = ["a", "b", "c"]
        return self.chance.choice(known) if known and self.chance.random() < 0.85 else self.odd()

    def odd(self) -> str:
        """Something no path should have, percent-encoded."""
        return "".join(f"%{byte:02X}" for byte in self.chance.choice(ODD).encode())

    def request(self) -> bytes:
        """One request, more or less well-formed."""
        chance = self.chance
        path = chance.choice(list(PATHS))
        method = chance.choice(PATHS[path].split())
        if chance.random() < 0.1:
            method = chance.choice(["GET", "PUT", "POST", "DELETE", "PATCH"])
        for kind in ("vault", "archive", "upload", "job", "odd"):
            path = path.replace("{" + kind + "}", self.pick(kind))
        if chance.random() < 0.3:
            name = chance.choice(["limit", "marker", "completed", "statuscode", "operation"])
            value = chance.choice(["1", "5", "50", "true", "Succeeded", self.odd()])
            path += ("&" if "?" in path else "?") + f"{name}={value}"
        body = self.body(path)
        headers = self.headers(body)
        account = "-" if chance.random() < 0.97 else chance.choice(["012345678901", "123456789012", "me"])
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        lines += f"Host: localhost\r\nContent-Length: {len(body)}\r\n"
        head = f"{method} /{account}/{path} HTTP/1.1\r\n{lines}\r\n"
        return head.encode("latin-1", "replace") + body

    def body(self, path: str) -> bytes:
        """Archive bytes, or a document that may fit the path."""
        chance = self.chance
        if "archives" in path or "multipart" in path:
            return chance.randbytes(chance.choice([0, 1, 100, 5000]))
        retrieval = {"Type": "archive-retrieval", "ArchiveId": self.pick("archive")}
        inventory = {"Type": "inventory-retrieval", "Format": chance.choice(["JSON", "CSV", "X"])}
        policy = {"Policy": '{"Statement":[{"Effect":"Deny","Action":"glacier:DeleteVault"}]}'}
        fitting: dict[str, list[dict[str, object]]] = {
            "jobs": [{**retrieval}, {**inventory}],
            "operation=add": [{"Tags": {chance.choice(["k", "l", ""]): chance.choice(["v", ""])}}],
            "operation=remove": [{"TagKeys": ["k"]}],
            "notification": [{"SNSTopic": TOPIC, "Events": ["ArchiveRetrievalCompleted"]}],
            "-policy": [{**policy}],
            "data-retrieval": [{"Policy": {"Rules": [{"Strategy": "None"}]}}],
        }
        document = chance.choice(next((some for word, some in fitting.items() if word in path), [{}]))
        if chance.random() < 0.3:
            names = [*document, "Limit", "InventoryRetrievalParameters", "RetrievalByteRange", "Tier"]
            document[chance.choice(names)] = chance.choice(JSON_VALUES)
        text = json.dumps(document).encode()
        return text if chance.random() < 0.95 else text[: chance.randrange(len(text))]

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of every operation, some of them wrong or left out."""
        chance = self.chance
        headers = {
            "x-amz-glacier-version": "2012-06-01",
            "x-amz-part-size": str(MIB),
            "x-amz-archive-size": str(len(body)),
            "x-amz-archive-description": chance.choice(["film", "two  spaces", '"q", \\']),
            "Content-Range": f"bytes 0-{len(body) - 1}/*",
            "Range": chance.choice(["bytes=0-0", "bytes=5-", "bytes=-3", "bytes=99-1", "x"]),
            **{name.replace("_", "-"): value for name, value in hashes(body).items()},
        }
        if chance.random() < 0.25:
            name = chance.choice(list(headers))
            headers[name] = chance.choice([*ODD, "0" * 64, tree_hash(b"?").hex()])
        if chance.random() < 0.15:
            del headers[chance.choice(list(headers))]
        return headers

    def learn(self, headers: dict[str, str]) -> None:
        """Remember the ids that an answer gave."""
        for kind, name in (
            ("archive", "x-amz-archive-id"),
            ("upload", "x-amz-multipart-upload-id"),
            ("job", "x-amz-job-id"),
        ):
            if name in headers:
                self.ids[kind] = [*self.ids[kind][-20:], headers[name]]


async def exchange(stream: anyio.abc.SocketStream, request: bytes) -> tuple[int, dict[str, str]]:
    """Send one request and read its whole answer."""
    await stream.send(request)
    buffered = BufferedByteReceiveStream(stream)
    head = (await buffered.receive_until(b"\r\n\r\n", 65536)).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    await buffered.receive_exactly(int(headers.get("content-length", "0")))
    return int(first.split(" ")[1]), headers


async def fuzz(server: LocalGlacier, seed: int, count: int, statuses: dict[int, int]) -> None:
    """Send ``count`` requests over one connection after the other."""
    fuzzer = Fuzzer(random.Random(seed))  # noqa: S311  # repeatable
    sent = 0
    while sent < count:
        async with AsyncExitStack() as stack:
            stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", server.port))
            with suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
                while sent < count:
                    sent += 1
                    request = fuzzer.request()
                    with anyio.fail_after(20):
                        status, headers = await exchange(stream, request)
                    statuses[status] = statuses.get(status, 0) + 1
                    assert status < 500, request
                    fuzzer.learn(headers)
                    if headers.get("connection") == "close":
                        break


async def test_thousands_of_requests_from_a_seed(tmp_path: Path) -> None:
    """Successes of many kinds, refusals of all kinds, no failure; counters and files as they should be."""
    statuses: dict[int, int] = {}
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0, is_durable=False) as server:
        boto = Boto(server.url)
        for name in ("a", "b"):
            await boto("create_vault", vaultName=name)
        async with anyio.create_task_group() as tasks:
            for number in range(CONNECTIONS):
                tasks.start_soon(fuzz, server, number, REQUESTS // CONNECTIONS, statuses)
        await server.advance(0)
    assert {200, 201, 202, 204, 206, 400, 403, 404} <= set(statuses)
    assert sum(statuses.values()) > REQUESTS * 0.9
    check_books(tmp_path)


def check_books(directory: Path) -> None:
    """The counters are the sums of the records, and the files are those of the records."""
    db = sqlite3.connect(directory / "glacier.sqlite3")
    try:
        for number, archives, size in db.execute("SELECT number, live_archives, live_size FROM vaults"):
            count, total = db.execute(
                "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM archives "
                "WHERE vault = ? AND deleted_run IS NULL",
                (number,),
            ).fetchone()
            assert (archives, size) == (count, total + count * VAULT.archive_overhead)
        recorded = {name for (name,) in db.execute("SELECT file FROM pieces")}
        outputs = db.execute("SELECT output_file FROM jobs WHERE output_file IS NOT NULL")
        recorded |= {name for (name,) in outputs}
        sizes = dict(db.execute("SELECT file, size FROM pieces").fetchall())
    finally:
        db.close()
    files = {path.name: path for path in (directory / "data").glob("*/*")}
    assert set(files) == recorded
    assert all(files[name].stat().st_size == size for name, size in sizes.items())
    assert list((directory / "incoming").iterdir()) == []
