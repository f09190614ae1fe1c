"""S3's checksums: of bytes, of parts, and of the whole from its parts."""

from __future__ import annotations

import random

import pytest

from aioglacier.server.protocol.payload_checksums import ALGORITHMS, encode, of_parts

DATA = random.Random(5).randbytes(10_000)  # noqa: S311  # repeatable, not secret

#: Check values of "123456789" (the catalogue of parametrised CRC algorithms, and FIPS 180).
CHECKS = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_published_check_values_come_out(name: str) -> None:
    """Each algorithm gives the value that its publication names."""
    algorithm = ALGORITHMS[name]
    assert algorithm.of(b"123456789").hex() == CHECKS[name]
    assert algorithm.parse(encode(algorithm.of(DATA))) == algorithm.of(DATA)
    assert algorithm.parse(encode(algorithm.of(DATA)[1:])) is None
    assert algorithm.parse("no base64!") is None


@pytest.mark.parametrize("name", [name for name, one in ALGORITHMS.items() if one.polynomial is not None])
@pytest.mark.parametrize("sizes", [[10_000], [5000, 5000], [1, 9999], [4096, 4096, 1808], [0, 10_000]])
def test_a_crc_of_the_whole_follows_from_its_parts(name: str, sizes: list[int]) -> None:
    """The checksums and sizes of the parts are enough, however the bytes were cut."""
    algorithm, parts, at = ALGORITHMS[name], [], 0
    for size in sizes:
        parts.append((algorithm.of(DATA[at : at + size]), size))
        at += size
    assert of_parts(algorithm, "FULL_OBJECT", parts) == algorithm.of(DATA)


@pytest.mark.parametrize("name", ["SHA1", "SHA256"])
def test_a_hash_covers_the_hashes_of_the_parts(name: str) -> None:
    """A composite checksum is the hash of hashes; one of the full object cannot be made of them."""
    algorithm = ALGORITHMS[name]
    parts = [(algorithm.of(DATA[:5000]), 5000), (algorithm.of(DATA[5000:]), 5000)]
    assert of_parts(algorithm, "COMPOSITE", parts) == algorithm.of(parts[0][0] + parts[1][0])
    with pytest.raises(ValueError, match="no checksum of a full object"):
        of_parts(algorithm, "FULL_OBJECT", parts)


def test_each_algorithm_allows_the_types_of_the_guide() -> None:
    """CRC64NVME covers full objects only, the hashes parts only, the two short CRCs both."""
    allowed = {
        name: [kind for kind in ("COMPOSITE", "FULL_OBJECT", "OTHER") if one.allows(kind)]
        for name, one in ALGORITHMS.items()
    }
    assert allowed == {
        "CRC32": ["COMPOSITE", "FULL_OBJECT"],
        "CRC32C": ["COMPOSITE", "FULL_OBJECT"],
        "CRC64NVME": ["FULL_OBJECT"],
        "SHA1": ["COMPOSITE"],
        "SHA256": ["COMPOSITE"],
    }
    assert all(one.allows(one.default_type) for one in ALGORITHMS.values())
