"""What the Glacier in memory has beside the contract that every Glacier fulfils (tests/conformance)."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import ConfigurationError
from aioglacier.testing import MemoryGlacier


async def test_a_raw_request_is_refused_with_the_way_out() -> None:
    """It speaks no HTTP, and says what does."""
    with pytest.raises(ConfigurationError, match="LocalGlacier"):
        await MemoryGlacier().request("GET", "vaults")
