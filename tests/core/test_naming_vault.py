"""Errors carry the vault that they are about."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import EmptyArchiveError, GlacierError
from aioglacier.core.naming_vault import naming_vault


def test_an_error_that_leaves_the_block_names_the_vault() -> None:
    """An error without a vault gets the one of the block."""
    with pytest.raises(GlacierError) as caught, naming_vault("photos"):
        raise EmptyArchiveError("nothing was written")
    assert caught.value.vault == "photos"


def test_an_error_that_names_a_vault_keeps_it() -> None:
    """The innermost block knows best which vault an error is about."""
    with pytest.raises(GlacierError) as caught, naming_vault("photos"), naming_vault("films"):
        raise EmptyArchiveError("nothing was written")
    assert caught.value.vault == "films"


def test_other_errors_pass_through() -> None:
    """An error that is not of the package is left as it is."""
    with pytest.raises(ZeroDivisionError), naming_vault("photos"):
        _ = 1 / 0
