"""Access policies, and the deletions that policies deny."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.conftest import deny_delete

if TYPE_CHECKING:
    from tests.server.conftest import Boto


async def test_an_access_policy_comes_back_as_it_was(boto: Boto) -> None:
    """The policy is returned byte for byte, until it is deleted."""
    assert (await boto.refused("get_vault_access_policy"))[0] == 404
    policy = deny_delete()
    await boto("set_vault_access_policy", policy={"Policy": policy})
    assert (await boto("get_vault_access_policy"))["policy"]["Policy"] == policy
    for _ in range(2):
        await boto("delete_vault_access_policy")
    assert (await boto.refused("get_vault_access_policy"))[0] == 404


@pytest.mark.parametrize(
    "policy", ["", "{", "[]", "{}", '{"Statement":[]}', '{"Statement":[{"Effect":"Maybe"}]}', "x" * 20481]
)
async def test_a_wrong_policy_is_refused(boto: Boto, policy: str) -> None:
    """Access and lock policies are JSON with statements, 20 KB at most."""
    assert (await boto.refused("set_vault_access_policy", policy={"Policy": policy}))[0] == 400
    status, code, message = await boto.refused("initiate_vault_lock", policy={"Policy": policy})
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == "The specified vault lock policy is invalid. Provide a valid policy."


async def test_a_policy_of_20_kb_is_accepted(boto: Boto) -> None:
    """The longest allowed policy is accepted."""
    policy = deny_delete(Sid="x" * (20480 - len(deny_delete(Sid=""))))
    assert len(policy) == 20480
    await boto("set_vault_access_policy", policy={"Policy": policy})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "denied"),
    [
        (deny_delete(), True),
        (deny_delete(["365", "10"]), True),
        (deny_delete(365), True),
        (deny_delete(Action="glacier:*"), True),
        (deny_delete(Action=["glacier:UploadArchive", "Glacier:deletearchive"]), True),
        (deny_delete(Condition=None), True),
        (deny_delete(Condition={"NumericGreaterThan": {"glacier:ArchiveAgeInDays": "1"}}), False),
        (deny_delete(Condition={"NumericLessThanEquals": {"glacier:archiveageindays": "1"}}), True),
        (deny_delete("many"), False),
        (deny_delete(Effect="Allow"), False),
        (deny_delete(Action="glacier:UploadArchive"), False),
        (deny_delete(Condition={"StringEquals": {"glacier:ResourceTag/x": "y"}}), False),
        (deny_delete(Condition="odd"), False),
        (deny_delete(Action=None), False),
    ],
)
async def test_of_access_policies_only_denied_deletions_act(boto: Boto, policy: str, *, denied: bool) -> None:
    """Other statements are kept and not evaluated."""
    await boto("set_vault_access_policy", policy={"Policy": policy})
    archive_id = await boto.upload(b"x")
    if denied:
        assert (await boto.refused("delete_archive", archiveId=archive_id))[0] == 403
    else:
        await boto("delete_archive", archiveId=archive_id)
