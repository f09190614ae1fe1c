"""The floor, in one thread: read, hash twice and send; or receive, hash once and write."""

from __future__ import annotations

import base64
import hashlib
import mmap
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.meter import METER

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

    from benchmarks.clients import Task

MIB = 1024 * 1024


def upload(task: Task) -> None:
    """Send a file in parts; with the trait "native", the native core makes both hashes in one pass."""
    hashes = _native_hashes() if "native" in task.traits else _hashes
    assert task.part_size
    connection = _connect(task)
    METER.start()
    buffer = memoryview(mmap.mmap(-1, task.part_size))  # whole pages are read fastest
    with Path(task.path).open("rb", buffering=0) as file:
        start = 0
        while count := _fill(file, buffer):
            payload_hash, leaf = hashes(buffer[:count])
            head = (
                "PUT /-/vaults/v/multipart-uploads/X HTTP/1.1\r\nHost: localhost\r\n"
                f"x-amz-content-sha256: {payload_hash}\r\nx-amz-sha256-tree-hash: {leaf}\r\n"
                f"Content-Range: bytes {start}-{start + count - 1}/*\r\nContent-Length: {count}\r\n\r\n"
            )
            connection.sendall(head.encode())
            connection.sendall(buffer[:count])
            assert connection.recv(65536).startswith(b"HTTP/1.1 204")
            start += count
    METER.stop()
    connection.close()


def upload_object(task: Task) -> None:
    """Send a file in parts to a bucket, with the hashes that ours has: both native, or "crc64nvme".

    With the trait "processes", a process for each core sends its share of the parts: that tells what CPU the
    same work takes while all cores are busy.
    """
    if "processes" not in task.traits:
        _send_object(task, 0, 1)
        return
    METER.start()
    shares = os.cpu_count() or 1
    children = [_fork(_send_object, task, share, shares) for share in range(shares)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * shares
    METER.stop()


def _fork(work: Callable[..., None], *arguments: object) -> int:
    """Run a function in a process of its own, and return its id."""
    if child := os.fork():
        return child
    code = 1
    try:
        work(*arguments)
        code = 0
    finally:
        os._exit(code)


def _send_object(task: Task, share: int, shares: int) -> None:
    """Send every so many parts, beginning with one of the first."""
    hashes = _crc if "crc64nvme" in task.traits else _native_checksum()
    assert task.part_size
    connection = _connect(task)
    if shares == 1:
        METER.start()
    buffer = memoryview(mmap.mmap(-1, task.part_size))  # whole pages are read fastest
    with Path(task.path).open("rb", buffering=0) as file:
        number = share
        file.seek(share * task.part_size)
        while count := _fill(file, buffer):
            number += 1
            head = (
                f"PUT /bucket/k?partNumber={number}&uploadId=X HTTP/1.1\r\nHost: localhost\r\n"
                f"{hashes(buffer[:count])}Content-Length: {count}\r\n\r\n"
            )
            connection.sendall(head.encode())
            connection.sendall(buffer[:count])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            file.seek((shares - 1) * task.part_size, os.SEEK_CUR)
            number += shares - 1
    METER.stop()
    connection.close()


def download(task: Task) -> None:
    """Receive the output of a job, hash it, write it and sync it."""
    hash_leaf: Callable[[memoryview], object] = _native_leaf() if "native" in task.traits else hashlib.sha256
    connection = _connect(task)
    METER.start()
    piece_size = 16 * MIB
    buffer = memoryview(bytearray(MIB))
    with Path(task.path).open("r+b", buffering=0) as file:
        for start in range(0, task.size, piece_size):
            stop = min(start + piece_size, task.size)
            connection.sendall(
                f"GET /-/vaults/v/jobs/J{task.size}/output HTTP/1.1\r\nHost: localhost\r\n"
                f"Range: bytes={start}-{stop - 1}\r\n\r\n".encode()
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            for at in range(start, stop, MIB):
                leaf = buffer[: min(MIB, stop - at)]
                count = 0
                while count < len(leaf):
                    count += connection.recv_into(leaf[count:])
                hash_leaf(leaf)
                file.write(leaf)
        os.fsync(file.fileno())
    METER.stop()
    connection.close()


def _fill(file: FileIO, buffer: memoryview) -> int:
    """Read until the buffer is full or the file ends; return the bytes read. A pipe gives them in pieces."""
    filled = 0
    while filled < len(buffer) and (count := file.readinto(buffer[filled:])):
        filled += count
    return filled


def _connect(task: Task) -> socket.socket:
    address = urlsplit(task.url)
    assert address.hostname
    assert address.port
    connection = socket.create_connection((address.hostname, address.port))
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=task.certificates)
        return context.wrap_socket(connection, server_hostname=address.hostname)
    return connection


def _hashes(part: memoryview) -> tuple[str, str]:
    """Return the payload hash, and the first leaf's hash as a tree hash: combining leaves costs nothing."""
    payload = hashlib.sha256()
    leaves = []
    for at in range(0, len(part), MIB):
        leaf = part[at : at + MIB]
        payload.update(leaf)
        leaves.append(hashlib.sha256(leaf).digest())
    return payload.hexdigest(), leaves[0].hex()


def _native_hashes() -> Callable[[memoryview], tuple[str, str]]:
    from aioglacier.core.treehash import hash_part  # noqa: PLC0415  # the others must not need it

    def hashes(part: memoryview) -> tuple[str, str]:
        found = hash_part(part)
        return found.payload_hash.hex(), found.tree_hash.hex()

    return hashes


def _native_checksum() -> Callable[[memoryview], str]:
    from aioglacier.core.treehash import hash_part  # noqa: PLC0415

    def header(part: memoryview) -> str:
        payload_hash = hash_part(part).payload_hash
        value = base64.b64encode(payload_hash).decode()
        return f"x-amz-content-sha256: {payload_hash.hex()}\r\nx-amz-checksum-sha256: {value}\r\n"

    return header


def _crc(part: memoryview) -> str:
    from aioglacier.core.crc import crc64nvme  # noqa: PLC0415

    value = base64.b64encode(crc64nvme(part).to_bytes(8, "big")).decode()
    return f"x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-checksum-crc64nvme: {value}\r\n"


def _native_leaf() -> Callable[[memoryview], object]:
    from aioglacier.core.treehash import tree_hash  # noqa: PLC0415

    return tree_hash
