"""The SHA-256 tree hash, and the hashes of one part.

A tree hash is built over leaves of 1 MiB, the last of them shorter: neighbours are hashed in pairs, and an
odd one at the end goes up unchanged, until one is left. The form used here is a binary counter. A stack
holds (level, hash) with levels falling from bottom to top; a new leaf is pushed at level 0, and while the
two on top have the same level they merge into one of the next. At the end the stack folds from the top down.
That needs one hash a level: 26 of them for the largest possible archive.

The same counter combines part hashes into the hash of the whole, because a part of 2**k MiB is a whole
subtree. That holds only while every part but the last has the same such size, which is what the service's
rule for part sizes guarantees.

A part's payload hash and leaf hashes come from the native core (``native.c``), which computes both in one
visit to the bytes, or from ``hashlib``, which visits them twice. The results are the same.

Worker processes load this module, so it imports little (see ``tuples.py``).
"""

from __future__ import annotations

import os
from hashlib import sha256
from itertools import pairwise

from aioglacier.core.tuples import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Final, Protocol

    from typing_extensions import Buffer

    class _Pair(Protocol):
        """The two hashes that need every byte of a part."""

        def update(self, data: Buffer, /) -> None: ...

        def digests(self) -> tuple[bytes, bytes]: ...


_LEAF_SIZE: Final = 1024 * 1024
HASH_SIZE: Final = 32

#: Set to "0" in the environment, this variable makes hashlib replace the native core.
NATIVE_SWITCH: Final = "AIOGLACIER_NATIVE"

#: SHA-256 of no bytes: also the tree hash of no bytes, as AWS's own clients have it.
EMPTY_HASH: Final = sha256(b"").digest()


class PartHashes(NamedTuple):
    """The hashes that a part needs before it can be sent.

    Attributes:
        payload_hash: SHA-256 of the bytes, which the request's signature covers; empty if it is not needed.
        tree_hash: SHA-256 tree hash of the bytes, which the service checks and echoes.
        leaves: The SHA-256 of every 1 MiB, 32 bytes each, joined; a later check of any range needs them.
        crc64nvme: S3's fast checksum, 8 bytes; empty unless it takes the place of the others.
    """

    payload_hash: bytes
    tree_hash: bytes
    leaves: bytes
    crc64nvme: bytes = b""


class TreeHash:
    """A SHA-256 tree hash fed piece by piece, as in ``hashlib``.

    ``digest()`` may be called at any time and does not end the feeding. Not safe for two threads at once.
    """

    name: Final = "sha256-tree"
    digest_size: Final = HASH_SIZE
    block_size: Final = _LEAF_SIZE

    __slots__ = ("_counter", "_leaf", "_room")

    def __init__(self, data: Buffer = b"") -> None:
        self._counter = _Counter()
        self._leaf = sha256()
        self._room = _LEAF_SIZE
        self.update(data)

    def update(self, data: Buffer) -> None:
        """Append bytes, in pieces of any size: leaves are cut at absolute multiples of 1 MiB."""
        for piece in _cut(data, self._room):
            self._leaf.update(piece)
            self._room -= len(piece)
            if not self._room:
                self._counter.push(self._leaf.digest())
                self._leaf = sha256()
                self._room = _LEAF_SIZE

    def digest(self) -> bytes:
        """Return the tree hash of all bytes so far, 32 bytes."""
        if self._room == _LEAF_SIZE:
            return self._counter.root()
        counter = self._counter.copy()  # the feeding goes on from the open leaf
        counter.push(self._leaf.digest())
        return counter.root()

    def hexdigest(self) -> str:
        """Return the tree hash of all bytes so far, 64 hex digits."""
        return self.digest().hex()

    def copy(self) -> TreeHash:
        """Return an independent copy that continues from the same bytes."""
        twin = TreeHash()
        twin._counter = self._counter.copy()
        twin._leaf = self._leaf.copy()
        twin._room = self._room
        return twin


def tree_hash(data: Buffer) -> bytes:
    """Return the SHA-256 tree hash of ``data``, 32 bytes."""
    view = memoryview(data).cast("B")
    if len(view) <= _LEAF_SIZE:  # the only leaf is the root
        return sha256(view).digest()
    return TreeHash(view).digest()


def tree_hashes(contents: Sequence[Buffer]) -> list[bytes]:
    """Return the tree hash of each of many contents.

    The native core hashes all their leaves in one call, on some CPUs at a third of the cost.
    """
    if _SHA256_EACH is None:
        return [tree_hash(content) for content in contents]
    views = [memoryview(content) for content in contents]
    if all(view.nbytes <= _LEAF_SIZE for view in views):
        return _SHA256_EACH(views)
    leaves: list[memoryview] = []
    bounds = [0]
    for view in views:
        octets = view.cast("B")
        leaves += [octets[at : at + _LEAF_SIZE] for at in range(0, len(octets), _LEAF_SIZE)] or [octets]
        bounds.append(len(leaves))
    hashes = _SHA256_EACH(leaves)
    return [
        hashes[start] if stop - start == 1 else combine(hashes[start:stop])
        for start, stop in pairwise(bounds)
    ]


def chunk_hashes(data: Buffer) -> list[bytes]:
    """Return the SHA-256 of every 1 MiB of ``data``, the last one shorter; of no bytes one hash."""
    view = memoryview(data).cast("B")
    chunks = [sha256(view[at : at + _LEAF_SIZE]).digest() for at in range(0, len(view), _LEAF_SIZE)]
    return chunks or [EMPTY_HASH]  # as the service has it


def combine(hashes: Iterable[bytes]) -> bytes:
    """Return the tree hash over hashes that are already nodes of one level, in order.

    Given the leaves this is the tree hash; given part hashes it is the tree hash of the whole, if every part
    but the last has the same size of 1 MiB x 2**k. Of no hashes it is the hash of no bytes.
    """
    counter = _Counter()
    for node in hashes:
        counter.push(node)
    return counter.root()


def combine_leaves(leaves: bytes) -> bytes:
    """Return the tree hash over leaf hashes joined into one string, as ``PartHashes.leaves`` has them."""
    return combine(leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE))


class PartHasher:
    """Computes both hashes of one part, fed in pieces of any size while each piece is in the CPU's cache.

    It releases the GIL for each piece, so threads run it in parallel; one hasher is for one thread. Without
    the payload hash, as for bytes that arrive, hashlib alone is as fast. So it is for a part of one leaf,
    whose hashes are all the same: the native core takes as long there, but it fills all of a CPU core's SHA
    units, and takes up to half as long again if another thread shares the core.
    """

    __slots__ = ("_pair",)

    def __init__(self, *, with_payload: bool = True, size: int | None = None) -> None:
        is_one_leaf = size is not None and size <= _LEAF_SIZE
        self._pair: _Pair = (
            _NEW_PAIR() if with_payload and not is_one_leaf else _HashlibPair(with_payload=with_payload)
        )

    def update(self, data: Buffer) -> None:
        """Append the next bytes of the part."""
        self._pair.update(data)

    def finish(self) -> PartHashes:
        """Return the hashes of the part."""
        payload_hash, leaves = self._pair.digests()
        return PartHashes(payload_hash, combine_leaves(leaves), leaves)


def hash_part(data: Buffer) -> PartHashes:
    """Return payload hash, tree hash and leaves of one part that lies in memory."""
    view = memoryview(data).cast("B")
    hasher = PartHasher(size=len(view))
    hasher.update(view)
    return hasher.finish()


def hash_core() -> str:
    """Return the hasher of this process: "native, " and the CPU's instructions, or "hashlib"."""
    return _CORE


class _HashlibPair:
    """Does the work of ``native.HashPair`` with hashlib, which visits each leaf but the first twice."""

    __slots__ = ("_leaf", "_leaves", "_payload", "_room")

    def __init__(self, *, with_payload: bool = True) -> None:
        self._leaf = sha256()
        self._payload = self._leaf if with_payload else None  # a part of one leaf is hashed once
        self._leaves = bytearray()
        self._room = _LEAF_SIZE

    def update(self, data: Buffer, /) -> None:
        for piece in _cut(data, self._room):
            self._leaf.update(piece)
            if self._payload is not None and self._payload is not self._leaf:
                self._payload.update(piece)
            self._room -= len(piece)
            if not self._room:
                self._leaves += self._leaf.digest()
                self._leaf = sha256()
                self._room = _LEAF_SIZE

    def digests(self) -> tuple[bytes, bytes]:
        last = b"" if self._room == _LEAF_SIZE else self._leaf.digest()
        return b"" if self._payload is None else self._payload.digest(), bytes(self._leaves) + last


def _choose() -> tuple[str, type[_Pair], Callable[[Sequence[Buffer]], list[bytes]] | None]:
    if os.environ.get(NATIVE_SWITCH) != "0":
        try:
            from aioglacier.core import native  # noqa: PLC0415  # where it was compiled
        except ImportError:
            return "hashlib", _HashlibPair, None
        if native.INSTRUCTIONS:  # without SHA instructions hashlib is faster
            each = getattr(native, "sha256_each", None)  # an older build lacks it
            return f"native, {native.INSTRUCTIONS}", native.HashPair, each
    return "hashlib", _HashlibPair, None


_CORE, _NEW_PAIR, _SHA256_EACH = _choose()

#: Whether the native core makes the hashes of many contents in one call.
HASHES_EACH: Final = _SHA256_EACH is not None


def _cut(data: Buffer, room: int) -> Iterator[memoryview]:
    """Yield the bytes in pieces that end where leaves do; the first leaf has room for so many more."""
    view = memoryview(data).cast("B")
    while view:
        yield view[:room]
        view = view[room:]
        room = _LEAF_SIZE


class _Counter:
    """The binary counter of the module's docstring."""

    __slots__ = ("_stack",)

    def __init__(self) -> None:
        self._stack: list[tuple[int, bytes]] = []

    def push(self, node: bytes) -> None:
        level = 0
        while self._stack and self._stack[-1][0] == level:  # two of one level make one of the next
            node = sha256(self._stack.pop()[1] + node).digest()
            level += 1
        self._stack.append((level, node))

    def root(self) -> bytes:
        if not self._stack:
            return EMPTY_HASH
        stack = iter(reversed(self._stack))
        _, node = next(stack)
        for _, left in stack:
            node = sha256(left + node).digest()
        return node

    def copy(self) -> _Counter:
        twin = _Counter()
        twin._stack = self._stack.copy()
        return twin
