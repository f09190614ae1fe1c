"""Answers of the sink: like Glacier's, to any request, with the hash that the request names."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any

from aioglacier.core.treehash import combine, tree_hash

_ARCHIVE_ID = "B" * 138
_COMMON = f"x-amzn-RequestId: {'R' * 47}\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Request:
    """The head of a request.

    Attributes:
        headers: Values by lower-case name.
    """

    method: str
    path: str
    headers: dict[str, str]

    @classmethod
    def parse(cls, head: bytes) -> Request:
        """Parse a head without the empty line at its end."""
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        method, path, _ = first.split(" ")
        return cls(method, path, headers)

    @property
    def is_for_output(self) -> bool:
        """Return whether the request asks for the output of a job."""
        return self.method == "GET" and self.path.endswith("/output")

    def answer(self) -> bytes:
        """Return the answer to any request except one for output."""
        tree_hash = self.headers.get("x-amz-sha256-tree-hash", "")
        if self.method == "PUT" and "/multipart-uploads/" in self.path:
            return _answer("204 No Content", f"x-amz-sha256-tree-hash: {tree_hash}\r\n")
        if self.method == "POST" and self.path.endswith("/multipart-uploads"):
            new = secrets.token_hex(46)  # no two uploads have the same
            location = f"/012345678901/vaults/v/multipart-uploads/{new}"
            return _answer("201 Created", f"x-amz-multipart-upload-id: {new}\r\nLocation: {location}\r\n", {})
        if self.method == "GET":
            return _answer("200 OK", "", _document(self.path))
        new = secrets.token_hex(69)
        extra = f"x-amz-archive-id: {new}\r\nx-amz-sha256-tree-hash: {tree_hash}\r\n"
        extra += f"Location: /012345678901/vaults/v/archives/{new}\r\n"
        return _answer("201 Created", extra, {})


class Output:
    """The output of every job: one MiB of seeded bytes, repeated.

    Attributes:
        file: A file in memory that holds the MiB once.
    """

    def __init__(self) -> None:
        self.block = memoryview(random.Random(5).randbytes(_MIB))
        self.file = os.fdopen(os.memfd_create("output"), "w+b", buffering=0)
        self.file.write(self.block)

    def answer(self, request: Request) -> tuple[int, int, bytes]:
        """Return the offset and size of the requested bytes, and the head of the answer."""
        total = _output_size(request.path)
        extra = "Content-Type: application/octet-stream\r\nx-amz-archive-description: benchmark\r\n"
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")):
            start, stop = int(found[1]), int(found[2]) + 1
            status = "206 Partial Content"
            extra += f"Content-Range: bytes {start}-{stop - 1}/{total}\r\n"
        else:
            start, stop, status = 0, total, "200 OK"
        if start % _MIB == 0:  # every requested size is a node of the tree
            extra += f"x-amz-sha256-tree-hash: {_tree_hash(stop - start)}\r\n"
        extra += f"Content-Length: {stop - start}\r\n"
        return start, stop - start, f"HTTP/1.1 {status}\r\n{_COMMON}{extra}\r\n".encode()


def _answer(status: str, extra: str, document: dict[str, Any] | None = None) -> bytes:
    body = b""
    if document is not None:
        body = json.dumps(document).encode()
        extra += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status}\r\n{_COMMON}{extra}\r\n".encode() + body


def _document(path: str) -> dict[str, Any]:
    """A job, done, or a list of unfinished uploads, empty, or a vault, or an upload without parts."""
    if "/multipart-uploads/" in path:
        return {
            "MultipartUploadId": path.partition("/multipart-uploads/")[2].partition("?")[0],
            "PartSizeInBytes": 16 * _MIB,
            "ArchiveDescription": None,
            "CreationDate": "2012-03-20T17:03:43.221Z",
            "VaultARN": "arn:aws:glacier:us-east-1:012345678901:vaults/v",
            "Parts": [],
            "Marker": None,
        }
    if path.count("/") == 3:
        name = path.rpartition("/")[2]
        return {
            "VaultName": name,
            "VaultARN": f"arn:aws:glacier:us-east-1:012345678901:vaults/{name}",
            "CreationDate": "2012-03-20T17:03:43.221Z",
            "LastInventoryDate": None,
            "NumberOfArchives": 0,
            "SizeInBytes": 0,
        }
    if "/jobs/" not in path:
        return {"Marker": None, "UploadsList": []}
    size = _output_size(path)
    return {
        "JobId": f"J{size}",
        "VaultARN": "arn:aws:glacier:us-east-1:012345678901:vaults/v",
        "Action": "ArchiveRetrieval",
        "ArchiveId": _ARCHIVE_ID,
        "ArchiveSizeInBytes": size,
        "ArchiveSHA256TreeHash": _tree_hash(size),
        "SHA256TreeHash": _tree_hash(size),
        "RetrievalByteRange": f"0-{size - 1}",
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "Completed": True,
        "CreationDate": "2026-11-22T03:10:05.000Z",
        "CompletionDate": "2026-11-22T07:10:05.000Z",
        "Tier": "Bulk",
    }


def _output_size(path: str) -> int:
    found = re.search(r"/jobs/J(\d+)", path)
    assert found, path
    return int(found[1])


@cache
def _tree_hash(size: int) -> str:
    block = random.Random(5).randbytes(_MIB)
    whole, rest = divmod(size, _MIB)
    leaves = [tree_hash(block)] * whole + ([tree_hash(block[:rest])] if rest else [])
    return combine(leaves).hex()
