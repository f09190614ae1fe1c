"""The SHA-256 tree hash, and the hashes of one part.

A tree hash is built over leaves of 1 MiB, the last of them shorter: neighbours are hashed in pairs, and an
odd one at the end goes up unchanged, until one is left. The form used here is a binary counter. A stack
holds (level, hash) with levels falling from bottom to top; a new leaf is pushed at level 0, and while the
two on top have the same level they merge into one of the next. At the end what is left folds from the top
down. That needs one hash a level: 26 of them for the largest archive there can be.

The same counter combines part hashes into the hash of the whole, because a part of 2**k MiB is a whole
subtree. That holds only while every part but the last has the same such size, which is what the service's
rule for part sizes guarantees.

Worker processes load this module and nothing else of the package, so it imports only ``hashlib``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

_LEAF_SIZE: Final = 1024 * 1024
HASH_SIZE: Final = 32

#: SHA-256 of no bytes: also the tree hash of no bytes, as AWS's own clients have it.
EMPTY_HASH: Final = sha256(b"").digest()


class PartHashes(NamedTuple):
    """What one part needs before it can be sent.

    Attributes:
        payload_hash: SHA-256 of the bytes, which the request's signature covers.
        tree_hash: SHA-256 tree hash of the bytes, which the service checks and echoes.
        leaves: The SHA-256 of every 1 MiB, 32 bytes each, joined; a later check of any range needs them.
    """

    payload_hash: bytes
    tree_hash: bytes
    leaves: bytes


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
        view = memoryview(data).cast("B")
        while len(view) >= self._room:
            self._leaf.update(view[: self._room])
            self._counter.push(self._leaf.digest())
            view = view[self._room :]
            self._leaf = sha256()
            self._room = _LEAF_SIZE
        if view:
            self._leaf.update(view)
            self._room -= len(view)

    def digest(self) -> bytes:
        """The tree hash of all bytes so far, 32 bytes."""
        if self._room == _LEAF_SIZE:
            return self._counter.root()
        counter = self._counter.copy()
        counter.push(self._leaf.digest())
        return counter.root()

    def hexdigest(self) -> str:
        """The tree hash of all bytes so far, 64 hex digits."""
        return self.digest().hex()

    def copy(self) -> TreeHash:
        """An independent continuation of the same bytes."""
        twin = TreeHash()
        twin._counter = self._counter.copy()
        twin._leaf = self._leaf.copy()
        twin._room = self._room
        return twin


def tree_hash(data: Buffer) -> bytes:
    """The SHA-256 tree hash of ``data``, 32 bytes."""
    return TreeHash(data).digest()


def chunk_hashes(data: Buffer) -> list[bytes]:
    """The SHA-256 of every 1 MiB of ``data``, the last chunk shorter; one hash of nothing for no bytes."""
    view = memoryview(data).cast("B")
    chunks = [sha256(view[at : at + _LEAF_SIZE]).digest() for at in range(0, len(view), _LEAF_SIZE)]
    return chunks or [EMPTY_HASH]


def combine(hashes: Iterable[bytes]) -> bytes:
    """The tree hash over hashes that are already nodes of one level, in order.

    Given the leaves this is the tree hash; given part hashes it is the tree hash of the whole, if every part
    but the last has the same size of 1 MiB x 2**k. Of no hashes it is the hash of no bytes.
    """
    counter = _Counter()
    for node in hashes:
        counter.push(node)
    return counter.root()


def combine_leaves(leaves: bytes) -> bytes:
    """The tree hash over leaf hashes joined into one string, as ``PartHashes.leaves`` has them."""
    return combine(leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE))


class PartHasher:
    """Both hashes of one part, fed leaf by leaf, so that each MiB is visited twice while it is in cache.

    ``hashlib`` lets go of the GIL for each leaf, so threads run this in parallel.
    """

    __slots__ = ("_leaves", "_payload")

    def __init__(self) -> None:
        self._payload = sha256()
        self._leaves = bytearray()

    def add_leaf(self, leaf: Buffer) -> None:
        """Append the next 1 MiB, or the shorter end of the part."""
        self._payload.update(leaf)
        self._leaves += sha256(leaf).digest()

    def finish(self) -> PartHashes:
        """The hashes of the part."""
        leaves = bytes(self._leaves)
        return PartHashes(self._payload.digest(), combine_leaves(leaves), leaves)


def hash_part(data: Buffer) -> PartHashes:
    """Payload hash, tree hash and leaves of one part that lies in memory."""
    hasher = PartHasher()
    view = memoryview(data).cast("B")
    for at in range(0, len(view), _LEAF_SIZE):
        hasher.add_leaf(view[at : at + _LEAF_SIZE])
    return hasher.finish()


class _Counter:
    """The binary counter of the module's docstring."""

    __slots__ = ("_stack",)

    def __init__(self) -> None:
        self._stack: list[tuple[int, bytes]] = []

    def push(self, node: bytes) -> None:
        level = 0
        while self._stack and self._stack[-1][0] == level:
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
