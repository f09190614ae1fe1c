"""The checksums of S3: published values, joined pieces, the same results without the native core."""

from __future__ import annotations

import pytest

from aioglacier.core import crc
from aioglacier.core.crc import combine_crc64nvme, crc32c, crc64nvme

native = pytest.importorskip("aioglacier.core.native")

DATA = bytes(range(251)) * 279


def test_the_check_values_are_the_published_ones() -> None:
    """Both checksums of "123456789" are those of the catalogue of CRCs."""
    assert crc64nvme(b"123456789") == crc._table_crc64nvme(b"123456789", 0) == 0xAE8B14860A799888
    assert crc32c(b"123456789") == crc._table_crc32c(b"123456789", 0) == 0xE3069283
    assert crc64nvme(b"") == crc32c(b"") == 0


@pytest.mark.parametrize("size", [*range(1, 20), *range(60, 84), 127, 128, 129, 1000, 70_029])
def test_the_native_core_and_the_table_agree(size: int) -> None:
    """Any size gives one result, from its beginning and behind other bytes."""
    for before in (0, 0x1234_5678):
        assert native.crc64nvme(DATA[:size], before) == crc._table_crc64nvme(DATA[:size], before)
        assert native.crc32c(DATA[:size], before) == crc._table_crc32c(DATA[:size], before)


@pytest.mark.parametrize("cut", [0, 1, 15, 4096, 70_028, 70_029])
def test_the_checksums_of_pieces_combine(cut: int) -> None:
    """The checksum of the whole follows from those of two pieces, or goes on from the first one."""
    first, second = DATA[:cut], DATA[cut:]
    assert combine_crc64nvme(crc64nvme(first), crc64nvme(second), len(second)) == crc64nvme(DATA)
    assert crc64nvme(second, crc64nvme(first)) == crc64nvme(DATA)


def test_what_is_no_row_of_bytes_is_refused() -> None:
    """Text and memory with gaps raise, as from hashlib."""
    with pytest.raises(TypeError):
        crc64nvme("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        native.crc64nvme(memoryview(DATA)[::2])
