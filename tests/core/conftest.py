"""The published tree hash vectors and the bytes that they are computed from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """The published tree hash vectors."""
    loaded: dict[str, Any] = json.loads((VECTORS / "treehash.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def pattern(vectors: dict[str, Any]) -> bytes:
    """The sequence that every vector is a prefix of: byte i is the XOR of the four bytes of i."""
    size = max(vector["size"] for vector in vectors["vectors"])
    rows = [bytes(low ^ high for low in range(256)) for high in range(256)]
    return b"".join(rows[(row ^ row >> 8 ^ row >> 16) & 0xFF] for row in range(-(-size // 256)))[:size]
