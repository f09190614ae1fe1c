"""The region that an unknown host name may stand for."""

from __future__ import annotations

import pytest

from aioglacier.gateway.http.transport_errors import REGIONS, nearest_region


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("eu-west-11", "eu-west-1"),
        ("eu-west1", "eu-west-1"),
        ("us-eats-1", "us-east-1"),
        ("eu-central", "eu-central-1"),
    ],
)
def test_a_mistyped_region_has_a_nearest_one(name: str, nearest: str) -> None:
    """The name that is most alike is suggested."""
    assert nearest_region(name) == nearest


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_has_no_nearest_one(name: str) -> None:
    """A region that exists needs no suggestion."""
    assert nearest_region(name) is None


@pytest.mark.parametrize("name", ["", "x", "\0"])
def test_any_name_has_an_answer(name: str) -> None:
    """Nonsense gets some region."""
    assert nearest_region(name) in REGIONS
