"""The tree hash against published vectors, against an independent slow one, and against itself."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.limits import MIB
from aioglacier.core.treehash import (
    EMPTY_HASH,
    HASH_SIZE,
    PartHasher,
    PartHashes,
    TreeHash,
    chunk_hashes,
    combine,
    combine_leaves,
    hash_part,
    tree_hash,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATA = bytes(range(251)) * (3 * MIB // 251 + 1)


def slow_root(nodes: Sequence[bytes]) -> bytes:
    """The root over nodes of one level, by splitting at the largest power of two below their number."""
    if len(nodes) == 1:
        return nodes[0]
    half = 1
    while 2 * half < len(nodes):
        half *= 2
    return sha256(slow_root(nodes[:half]) + slow_root(nodes[half:])).digest()


def slow_tree_hash(data: bytes) -> bytes:
    """Return a tree hash by code that shares no line with the tested one."""
    leaves = []
    while len(data) > MIB:
        leaves.append(sha256(data[:MIB]).digest())
        data = data[MIB:]
    return slow_root([*leaves, sha256(data).digest()])


def fill(vector: dict[str, Any], byte: bytes) -> bytes:
    """Return bytes of one value, as long as the vector has it."""
    size: int = vector["size"]
    return byte * size


def test_pattern_is_the_published_one(vectors: dict[str, Any], pattern: bytes) -> None:
    """The bytes made here are those that the vectors were computed from."""
    assert pattern[:16].hex() == vectors["pattern_first_16_hex"]
    assert {at: pattern[int(at)] for at in vectors["pattern_at"]} == vectors["pattern_at"]


@pytest.mark.slow
def test_tree_hash_equals_every_published_vector(vectors: dict[str, Any], pattern: bytes) -> None:
    """Whole archives of 0 bytes to 16 MiB have the published tree hash, payload hash and leaf count."""
    assert len(vectors["vectors"]) >= 17
    for vector in vectors["vectors"]:
        data = memoryview(pattern)[: vector["size"]]
        assert tree_hash(data).hex() == vector["sha256_tree_hash"], vector["name"]
        hashes = hash_part(data)
        assert hashes.payload_hash.hex() == vector["sha256_linear"]
        assert hashes.tree_hash.hex() == vector["sha256_tree_hash"]
        assert len(chunk_hashes(data)) == vector["leaves"]
        assert combine(chunk_hashes(data)).hex() == vector["sha256_tree_hash"]
        assert slow_tree_hash(bytes(data)).hex() == vector["sha256_tree_hash"]


@pytest.mark.parametrize(("key", "byte"), [("zero_bytes", b"\0"), ("other", b"0")])
def test_tree_hash_equals_the_vectors_of_one_byte(vectors: dict[str, Any], key: str, byte: bytes) -> None:
    """Archives of zeros, and the old AWS SDK's archive of "0", have the published tree hash."""
    assert vectors[key]
    for vector in vectors[key]:
        data = fill(vector, byte)
        assert tree_hash(data).hex() == vector["sha256_tree_hash"]
        assert sha256(data).hexdigest() == vector["sha256_linear"]


def test_chunk_hashes_equal_the_published_leaves(vectors: dict[str, Any], pattern: bytes) -> None:
    """The SHA-256 of each of the first nine 1 MiB blocks is the published one."""
    leaves = vectors["leaf_sha256_of_full_1MiB_blocks_0_to_8"]
    data = pattern[: len(leaves) * MIB]
    assert [chunk.hex() for chunk in chunk_hashes(data)] == leaves
    assert hash_part(data).leaves.hex() == "".join(leaves)
    assert combine_leaves(bytes.fromhex("".join(leaves))) == tree_hash(data)


def test_combine_of_part_hashes_equals_the_whole(vectors: dict[str, Any], pattern: bytes) -> None:
    """Parts of 1 MiB x 2**k combine into the hash of the whole, for every published size and part size."""
    assert vectors["part_combination"]
    for case in vectors["part_combination"]:
        nodes = []
        for part in case["parts"]:
            start, end = map(int, part["content_range"].removeprefix("bytes ").removesuffix("/*").split("-"))
            data = pattern[start : end + 1]
            assert len(data) == part["length"]
            nodes.append(tree_hash(data))
            assert nodes[-1].hex() == part["sha256_tree_hash"]
        assert combine(nodes).hex() == case["combined"]
        assert (combine(nodes) == tree_hash(pattern[: case["size"]])) == case["equals_whole"]


def test_combine_of_parts_of_another_size_differs(vectors: dict[str, Any], pattern: bytes) -> None:
    """Parts of 3 MiB or 1.5 MiB combine into another hash, which is why part sizes are powers of two."""
    assert vectors["part_combination_counterexamples"]
    for case in vectors["part_combination_counterexamples"]:
        nodes = [bytes.fromhex(node) for node in case["part_hashes"]]
        assert combine(nodes).hex() == case["combined"]
        assert tree_hash(pattern[: case["size"]]).hex() == case["whole"]
        assert (case["combined"] == case["whole"]) == case["equals_whole"]


@given(st.integers(1, 600))
def test_combine_equals_the_slow_root(count: int) -> None:
    """Any number of nodes has the root that the recursive split gives."""
    nodes = [sha256(at.to_bytes(4)).digest() for at in range(count)]
    assert combine(nodes) == combine_leaves(b"".join(nodes)) == slow_root(nodes)


@given(st.integers(0, 3 * MIB), st.lists(st.integers(0, 3 * MIB), max_size=8))
def test_any_split_of_the_bytes_gives_the_same_hash(size: int, cuts: list[int]) -> None:
    """Only the bytes matter, not the pieces they come in; asking in between changes nothing."""
    data = memoryview(_DATA)[:size]
    hasher = TreeHash()
    at = 0
    for cut in sorted(min(cut, size) for cut in cuts):
        hasher.update(data[at:cut])
        at = cut
        assert hasher.digest() == tree_hash(data[:at])
    hasher.update(data[at:])
    assert hasher.digest() == tree_hash(data) == slow_tree_hash(bytes(data)) == hash_part(data).tree_hash
    assert hasher.hexdigest() == hasher.digest().hex()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_hashes_take_any_buffer(kind: type[bytes | bytearray | memoryview]) -> None:
    """Bytes, bytearrays and memoryviews are hashed alike."""
    data = kind(b"abc" * 1000)
    expected = sha256(b"abc" * 1000).digest()
    assert TreeHash(data).digest() == expected
    assert tree_hash(data) == expected
    assert chunk_hashes(data) == [expected]
    assert hash_part(data) == PartHashes(expected, expected, expected)


def test_wider_items_are_hashed_as_bytes() -> None:
    """A buffer of 4-byte items counts in bytes."""
    data = memoryview(b"abcd" * 1000).cast("I")
    assert tree_hash(data) == hash_part(data).payload_hash == sha256(b"abcd" * 1000).digest()


def test_nothing_has_the_hash_of_no_bytes() -> None:
    """No bytes have the SHA-256 of the empty string, and no leaves."""
    assert TreeHash().digest() == tree_hash(b"") == combine([]) == combine_leaves(b"") == EMPTY_HASH
    assert chunk_hashes(b"") == [EMPTY_HASH]
    assert hash_part(b"") == PartHashes(EMPTY_HASH, EMPTY_HASH, b"")


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
@pytest.mark.parametrize("with_payload", [True, False])
def test_knowing_the_size_changes_no_hash(size: int, with_payload: bool) -> None:
    """Of one leaf hashlib makes both hashes, of more the core in use: they are the same in pieces, too."""
    data = bytes(range(251)) * (size // 251 + 1)
    known, unknown = (PartHasher(with_payload=with_payload, size=told) for told in (size, None))
    for hasher in (known, unknown):
        for at in range(0, size, 300_007):
            hasher.update(data[at : min(at + 300_007, size)])
    assert known.finish() == unknown.finish()


def test_copy_goes_its_own_way() -> None:
    """A copy made inside a leaf continues independently of the original."""
    head, tail = b"x" * (MIB + 7), b"y" * MIB
    original = TreeHash(head)
    twin = original.copy()
    twin.update(tail)
    assert twin.digest() == tree_hash(head + tail)
    assert original.digest() == tree_hash(head)
    original.update(b"z" * MIB)
    assert original.digest() == tree_hash(head + b"z" * MIB)
    assert twin.digest() == tree_hash(head + tail)


def test_tree_hash_describes_itself_as_hashlib_does() -> None:
    """Name, digest size and block size are there for code written for hashlib."""
    hasher = TreeHash()
    assert (hasher.name, hasher.digest_size, hasher.block_size) == ("sha256-tree", HASH_SIZE, MIB)
    assert len(hasher.digest()) == HASH_SIZE


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 3 * MIB])
def test_a_part_hashed_leaf_by_leaf_has_the_hashes_of_the_whole(size: int) -> None:
    """Feeding the leaves one after the other gives the hashes of the part in memory."""
    data = memoryview(_DATA)[:size]
    hasher = PartHasher()
    for at in range(0, size, MIB):
        hasher.update(data[at : at + MIB])
    assert hasher.finish() == hash_part(data)
    assert hasher.finish().tree_hash == slow_tree_hash(bytes(data))


@pytest.mark.parametrize("size", [0, 1, MIB, 2 * MIB + 1])
def test_a_part_hashed_without_its_payload_has_the_same_tree(size: int) -> None:
    """Without the payload hash, tree hash and leaves are the same, and the payload hash is empty."""
    hasher = PartHasher(with_payload=False)
    hasher.update(memoryview(_DATA)[:size])
    assert hasher.finish() == hash_part(_DATA[:size])._replace(payload_hash=b"")
