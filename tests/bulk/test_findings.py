"""The kinds of findings."""

from __future__ import annotations

import pytest

from aioglacier.bulk.findings import SERIOUS, Finding, Trouble


@pytest.mark.parametrize("trouble", Trouble)
def test_every_kind_is_described(trouble: Trouble) -> None:
    """The list that users read has each of them."""
    assert f"{trouble.name}: " in (Trouble.__doc__ or "")


def test_what_the_next_sync_mends_is_not_serious() -> None:
    """A folder that has changed is as usual; anything wrong with what is stored is not."""
    usual = {Trouble.MISSING, Trouble.CHANGED, Trouble.UNREADABLE, Trouble.UNARCHIVED}
    assert set(Trouble) - usual == SERIOUS
    assert Finding(Trouble.LOST, "a") == ("lost", "a")
