"""The checksum of a record."""

from __future__ import annotations

from aioglacier.catalog.checksums import checksum

RECORD = ("id", 5, b"\x00\x01", None, 1.5)


def test_every_flipped_bit_of_a_text_shows() -> None:
    """No change of one bit leaves the checksum as it was."""
    text = "photos/1907.tar"
    sums = {checksum([text])}
    for index, letter in enumerate(text):
        for bit in range(7):
            changed = text[:index] + chr(ord(letter) ^ 1 << bit) + text[index + 1 :]
            sums.add(checksum([changed]))
    assert len(sums) == 1 + 7 * len(text)


def test_order_and_kind_of_the_values_count() -> None:
    """Values that change places, or a number that becomes text, give another checksum."""
    assert checksum(RECORD) == checksum(iter(RECORD))
    assert checksum(RECORD) != checksum(RECORD[::-1])
    assert checksum([5]) != checksum(["5"])
    assert checksum([""]) != checksum([None])


def test_a_lone_surrogate_has_a_checksum() -> None:
    """A path that is not UTF-8 can be recorded."""
    assert checksum(["\udcff"]) != checksum(["\udcfe"])
