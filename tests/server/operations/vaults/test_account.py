"""The account: retrieval policy, provisioned capacity, ids in paths."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.server.operations.vaults.account import _a_month_later
from tests.server.conftest import send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto


async def test_the_default_retrieval_policy_is_none(faithful: LocalGlacier) -> None:
    """An account without a policy answers in the service's form."""
    answer = await send(faithful, "GET", "/-/policies/data-retrieval")
    assert answer.body == b'{"Policy":{"Rules":[{"BytesPerHour":null,"Strategy":"None"}]}}'


@pytest.mark.parametrize(
    "rule",
    [
        {"Strategy": "BytesPerHour", "BytesPerHour": 10737418240},
        {"Strategy": "FreeTier"},
        {"Strategy": "None"},
    ],
)
async def test_a_retrieval_policy_comes_back(boto: Boto, rule: dict[str, Any]) -> None:
    """The policy that was set is returned."""
    await boto("set_data_retrieval_policy", Policy={"Rules": [rule]})
    assert (await boto("get_data_retrieval_policy"))["Policy"]["Rules"] == [rule]


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"Strategy": "None"}, {"Strategy": "None"}],
        [{"Strategy": "Some"}],
        [{"Strategy": "BytesPerHour"}],
        [{"Strategy": "BytesPerHour", "BytesPerHour": 0}],
        [{"Strategy": "None", "BytesPerHour": 1}],
    ],
)
async def test_a_wrong_retrieval_policy_is_refused(boto: Boto, rules: list[dict[str, Any]]) -> None:
    """A policy has exactly one rule, and BytesPerHour only with its strategy."""
    status, code, _ = await boto.refused("set_data_retrieval_policy", Policy={"Rules": rules})
    assert (status, code) == (400, "InvalidParameterValueException")


async def test_two_units_of_capacity_last_a_month(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """The third unit is refused until one has expired."""
    ids = [(await slow_boto("purchase_provisioned_capacity"))["capacityId"] for _ in range(2)]
    assert all(len(one) == 24 for one in ids)
    assert (await slow_boto.refused("purchase_provisioned_capacity"))[1] == "LimitExceededException"
    units = (await slow_boto("list_provisioned_capacity"))["ProvisionedCapacityList"]
    assert [unit["CapacityId"] for unit in units] == ids
    assert units[0]["StartDate"].endswith(".000Z")
    await faithful.advance(32 * 24 * 3600)
    assert (await slow_boto("list_provisioned_capacity"))["ProvisionedCapacityList"] == []
    await slow_boto("purchase_provisioned_capacity")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-15T10:00:00", "2026-02-15T10:00:00"),
        ("2026-01-31T10:00:00", "2026-02-28T10:00:00"),
        ("2028-01-31T10:00:00", "2028-02-29T10:00:00"),
        ("2026-12-31T23:59:59", "2027-01-31T23:59:59"),
    ],
)
def test_a_month_ends_on_the_same_day_or_the_last(start: str, end: str) -> None:
    """A unit expires a calendar month later, to the second."""

    def milliseconds(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

    assert _a_month_later(milliseconds(start)) == milliseconds(end)


async def test_the_account_in_the_path_is_checked(faithful: LocalGlacier) -> None:
    """A dash and the own id work, another id is denied, and other text is a bad request."""
    assert (await send(faithful, "GET", "/012345678901/vaults")).status == 200
    other = await send(faithful, "GET", "/123456789012/vaults")
    assert other.error == (403, "AccessDeniedException")
    assert other.message == "Access denied for account ID: 123456789012"
    assert (await send(faithful, "GET", "/vaults/x")).error == (400, "BadRequest")
    assert (await send(faithful, "GET", "/me/vaults/x")).error == (400, "BadRequest")


async def test_the_api_version_must_be_right(faithful: LocalGlacier) -> None:
    """A missing version gets the recorded text."""
    missing = await send(faithful, "GET", "/-/vaults", x_amz_glacier_version="")
    assert missing.error == (400, "MissingParameterValueException")
    assert missing.message == "Required parameter missing: API version"
    wrong = await send(faithful, "GET", "/-/vaults", x_amz_glacier_version="2013-01-01")
    assert wrong.error == (400, "InvalidParameterValueException")


async def test_unknown_operations_are_refused(faithful: LocalGlacier) -> None:
    """A method or a path without an operation is refused."""
    for method, path in (
        ("POST", "/-/vaults"),
        ("PATCH", "/-/vaults/v"),
        ("GET", "/-/vaults/v/archives"),
        ("GET", "/-/vaults/v/jobs/x/output/y"),
        ("POST", "/-/vaults/v/tags"),
        ("POST", "/-/vaults/v/tags?operation=replace"),
        ("GET", "/-/priority-capacity"),
        ("GET", "/-"),
    ):
        answer = await send(faithful, method, path)
        assert answer.error == (404, "UnknownOperationException"), (method, path)


async def test_content_type_is_ignored(faithful: LocalGlacier) -> None:
    """A JSON body may call itself a form."""
    await send(faithful, "PUT", "/-/vaults/v", Content_Type="application/x-www-form-urlencoded")
    answer = await send(
        faithful,
        "POST",
        "/-/vaults/v/tags?operation=add",
        b'{"Tags":{"a":"b"}}',
        Content_Type="binary/octet-stream",
    )
    assert answer.status == 204
