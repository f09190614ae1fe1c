"""The state of an upload: parts proven in any order, twice, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.errors import InvalidPlanError, TooManyPartsError
from aioglacier.core.ledger import UploadLedger
from aioglacier.core.limits import GIB, MIB, VAULT
from aioglacier.core.planning import part_ranges
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import tree_hash

#: Two leaves to a part, so that a part's hash is a real subtree; the last part is short.
PART_SIZE = 2 * MIB
DATA = (bytes(range(251)) * (10 * MIB // 251))[: 4 * PART_SIZE + MIB + 3]
PARTS = [
    (index, part.size, tree_hash(DATA[part.start : part.stop]))
    for index, part in enumerate(part_ranges(len(DATA), PART_SIZE))
]


@given(st.permutations(PARTS), st.lists(st.sampled_from(PARTS)))
def test_any_order_of_proven_parts_gives_the_same_archive(
    parts: list[tuple[int, int, bytes]], again: list[tuple[int, int, bytes]]
) -> None:
    """Order does not matter, nor do parts proven again: size and tree hash are those of the bytes."""
    ledger = UploadLedger(PART_SIZE)
    for index, size, node in [*again, *parts, *again]:
        ledger.prove(index, size, node)
    assert ledger.seal(len(PARTS)) == (len(DATA), tree_hash(DATA))
    assert (ledger.sent, ledger.parts_sent) == (len(DATA), len(PARTS))
    assert all(ledger.is_proven(index) for index in range(len(PARTS)))
    assert not ledger.is_proven(len(PARTS))


@given(st.sets(st.sampled_from(PARTS)))
def test_any_set_already_sent_leaves_the_rest_missing(sent: set[tuple[int, int, bytes]]) -> None:
    """Resuming is a starting state: what was not proven is missing, and proving it completes the archive."""
    ledger = UploadLedger(PART_SIZE)
    for index, size, node in sent:
        ledger.prove(index, size, node)
    assert ledger.sent == sum(size for _, size, _ in sent)
    missing = [part for part in PARTS if not ledger.is_proven(part[0])]
    assert set(missing) == set(PARTS) - sent
    for index, size, node in missing:
        ledger.prove(index, size, node)
    assert ledger.seal(len(PARTS)) == (len(DATA), tree_hash(DATA))


def test_proving_again_replaces() -> None:
    """The later proof of a part counts, in bytes and in the hash."""
    ledger = UploadLedger(PART_SIZE)
    ledger.prove(0, 100, b"x" * 32)
    ledger.prove(0, 7, tree_hash(b"seven b"))
    assert (ledger.sent, ledger.parts_sent) == (7, 1)
    assert ledger.seal(1) == (7, tree_hash(b"seven b"))


def test_sealing_names_the_missing_part() -> None:
    """An upload with a gap cannot be sealed, nor one that has lost its end or has parts too many."""
    ledger = UploadLedger(PART_SIZE)
    ledger.prove(0, PART_SIZE, b"a" * 32)
    with pytest.raises(InvalidPlanError, match="part 1 of 2 is missing"):
        ledger.seal(2)
    ledger.prove(2, 1, b"c" * 32)
    with pytest.raises(InvalidPlanError, match="part 1 of 3 is missing"):
        ledger.seal(3)
    with pytest.raises(InvalidPlanError, match="part 2 is there, but the archive has 1"):
        ledger.seal(1)


def test_sealing_refuses_a_short_part_in_the_middle() -> None:
    """Only the last part may be short."""
    ledger = UploadLedger(PART_SIZE)
    ledger.prove(0, PART_SIZE - 1, b"a" * 32)
    ledger.prove(1, 1, b"b" * 32)
    with pytest.raises(InvalidPlanError, match="part 0 has 2097151 bytes"):
        ledger.seal(2)


@pytest.mark.parametrize("size", [0, -1, PART_SIZE + 1])
def test_a_part_holds_one_byte_to_the_part_size(size: int) -> None:
    """Empty and oversized parts are refused, and nothing is recorded."""
    ledger = UploadLedger(PART_SIZE)
    with pytest.raises(InvalidPlanError, match=f"part 3 has {size} bytes"):
        ledger.prove(3, size, b"x" * 32)
    assert (ledger.sent, ledger.parts_sent) == (0, 0)


def test_part_ranges_follow_the_index() -> None:
    """A part lies where its index says, as long as it is."""
    ledger = UploadLedger(PART_SIZE)
    assert ledger.part_size == PART_SIZE
    assert ledger.part_range(0, 5) == ByteRange(0, 5)
    assert ledger.part_range(VAULT.max_parts - 1, PART_SIZE).stop == VAULT.max_parts * PART_SIZE


@pytest.mark.parametrize(("part_size", "suggested"), [(PART_SIZE, 2 * PART_SIZE), (4 * GIB, None)])
def test_the_ten_thousand_and_first_part_is_refused(part_size: int, suggested: int | None) -> None:
    """A stream that outgrows its part size learns which larger one there is."""
    with pytest.raises(TooManyPartsError) as caught:
        UploadLedger(part_size).part_range(VAULT.max_parts, 1)
    assert (caught.value.part_size, caught.value.size) == (part_size, None)
    assert caught.value.suggested_part_size == suggested


def test_a_part_s_range_begins_and_ends_at_its_place() -> None:
    """The range of a part follows from its index, and 4 GiB is the largest part size that is suggested."""
    assert UploadLedger(MIB).part_range(3, 5) == ByteRange(3 * MIB, 3 * MIB + 5)
    with pytest.raises(TooManyPartsError) as caught:
        UploadLedger(2 * GIB).part_range(VAULT.max_parts, 1)
    assert caught.value.suggested_part_size == 4 * GIB


def test_receipts_come_back_in_the_order_of_the_parts() -> None:
    """A part without a receipt, known from before, leaves a gap that the store fills."""
    ledger = UploadLedger(PART_SIZE)
    ledger.prove(2, 1, b"c" * 32, "third")
    ledger.prove(0, PART_SIZE, b"a" * 32)
    ledger.prove(1, PART_SIZE, b"b" * 32, "second")
    assert ledger.receipts == [None, "second", "third"]


def test_parts_without_tree_hashes_make_a_whole_without_one() -> None:
    """The whole has no tree hash if another checksum takes its place."""
    ledger = UploadLedger(PART_SIZE)
    ledger.prove(0, PART_SIZE, b"")
    ledger.prove(1, 7, b"")
    assert ledger.seal(2) == (PART_SIZE + 7, b"")


def test_parts_that_are_no_nodes_make_no_tree_hash() -> None:
    """The parts of the largest S3 objects have 5 GiB."""
    ledger = UploadLedger(5 * GIB)
    ledger.prove(0, 5 * GIB, b"a" * 32)
    ledger.prove(1, 1, b"b" * 32)
    assert ledger.seal(2) == (5 * GIB + 1, b"")
