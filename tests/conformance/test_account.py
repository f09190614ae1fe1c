"""Operations of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import LimitExceededError
from aioglacier.core.models import RetrievalPolicy, RetrievalStrategy

if TYPE_CHECKING:
    from tests.conformance.conftest import Subject


async def test_retrieval_policy_limits_nothing_until_set(subject: Subject) -> None:
    """A retrieval policy comes back as it was set."""
    await subject.advance(0)  # not at the real service, where others may rely on the policy
    assert await subject.gateway.get_data_retrieval_policy() == RetrievalPolicy(RetrievalStrategy.NONE)
    policy = RetrievalPolicy(RetrievalStrategy.BYTES_PER_HOUR, 10 * 1024**3)
    await subject.gateway.set_data_retrieval_policy(policy)
    assert await subject.gateway.get_data_retrieval_policy() == policy
    await subject.gateway.set_data_retrieval_policy(RetrievalPolicy(RetrievalStrategy.FREE_TIER))
    assert (await subject.gateway.get_data_retrieval_policy()).strategy is RetrievalStrategy.FREE_TIER


async def test_capacity_is_bought_up_to_two_units(subject: Subject) -> None:
    """Each unit runs for a month; the third is refused."""
    await subject.advance(0)  # not at the real service, where a unit costs a hundred dollars
    assert await subject.gateway.list_provisioned_capacity() == ()
    bought = {await subject.gateway.purchase_provisioned_capacity() for _ in range(2)}
    units = await subject.gateway.list_provisioned_capacity()
    assert {unit.id for unit in units} == bought
    assert all(28 <= (unit.expires - unit.started).days <= 31 for unit in units)
    with pytest.raises(LimitExceededError):
        await subject.gateway.purchase_provisioned_capacity()
