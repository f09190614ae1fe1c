"""Notifications, access policies, locks and tags of a vault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.conftest import send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

ARN = "arn:aws:glacier:us-east-1:012345678901:vaults/v"
TOPIC = "arn:aws:sns:us-east-1:012345678901:done"
ACCENTED = "d\N{LATIN SMALL LETTER E WITH ACUTE}p"
DAY = 24 * 3600


def deny_delete(days: object = "365", **changes: Any) -> str:
    """The guide's lock policy: no deletion before an age in days."""
    statement = {
        "Principal": "*",
        "Effect": "Deny",
        "Action": "glacier:DeleteArchive",
        "Resource": [ARN],
        "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": days}},
        **changes,
    }
    kept = {name: value for name, value in statement.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


async def test_notifications_are_set_replaced_and_deleted(boto: Boto) -> None:
    """Unset is 404 with the service's text; deleting is idempotent."""
    assert (await boto.refused("get_vault_notifications"))[1:] == (
        "ResourceNotFoundException",
        "No notification configuration is set for vault: v",
    )
    for events in (
        ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"],
        ["ArchiveRetrievalCompleted"],
    ):
        await boto("set_vault_notifications", vaultNotificationConfig={"SNSTopic": TOPIC, "Events": events})
        answer = await boto("get_vault_notifications")
        assert answer["vaultNotificationConfig"] == {"SNSTopic": TOPIC, "Events": events}
    for _ in range(2):
        await boto("delete_vault_notifications")
    assert (await boto.refused("get_vault_notifications"))[0] == 404


@pytest.mark.parametrize(
    "configuration",
    [{"SNSTopic": TOPIC, "Events": ["Oops"]}, {"SNSTopic": "x", "Events": ["ArchiveRetrievalCompleted"]}, {}],
)
async def test_wrong_notifications_are_refused(boto: Boto, configuration: dict[str, Any]) -> None:
    """An unknown event, no topic."""
    status, _, _ = await boto.refused("set_vault_notifications", vaultNotificationConfig=configuration)
    assert status == 400


async def test_an_access_policy_comes_back_as_it_was(boto: Boto) -> None:
    """Byte for byte, until it is deleted."""
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
    """The longest there can be."""
    policy = deny_delete(Sid="x" * (20480 - len(deny_delete(Sid=""))))
    assert len(policy) == 20480
    await boto("set_vault_access_policy", policy={"Policy": policy})


async def test_a_lock_goes_from_in_progress_to_locked(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """And then nothing can undo it."""
    assert (await slow_boto.refused("get_vault_lock"))[0] == 404
    await slow_boto("abort_vault_lock")
    answer = await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()})
    lock_id = answer["lockId"]
    assert len(lock_id) == 24
    lock = await slow_boto("get_vault_lock")
    assert (lock["State"], lock["Policy"]) == ("InProgress", deny_delete())
    assert lock["ExpirationDate"][:10] > lock["CreationDate"][:10]
    assert (await slow_boto.refused("initiate_vault_lock", policy={"Policy": deny_delete()}))[0] == 403
    assert (await slow_boto.refused("complete_vault_lock", lockId="wrong"))[:2] == (
        400,
        "InvalidParameterValueException",
    )
    for _ in range(2):
        await slow_boto("complete_vault_lock", lockId=lock_id)
    answer_bytes = (await send(faithful, "GET", "/-/vaults/v/lock-policy")).body
    assert json.loads(answer_bytes)["ExpirationDate"] is None
    assert json.loads(answer_bytes)["State"] == "Locked"
    for operation, arguments in (
        ("abort_vault_lock", {}),
        ("complete_vault_lock", {"lockId": "wrong"}),
        ("initiate_vault_lock", {"policy": {"Policy": deny_delete()}}),
    ):
        assert (await slow_boto.refused(operation, **arguments))[:2] == (403, "AccessDeniedException")
    await faithful.advance(400 * DAY)
    assert (await slow_boto("get_vault_lock"))["State"] == "Locked"


async def test_a_lock_in_progress_expires_after_24_hours(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Policy and id vanish, and a new one can be initiated."""
    lock_id = (await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()}))["lockId"]
    archive_id = await slow_boto.upload(b"x")
    assert (await slow_boto.refused("delete_archive", archiveId=archive_id))[0] == 403
    await faithful.advance(DAY)
    assert (await slow_boto.refused("get_vault_lock"))[0] == 404
    assert (await slow_boto.refused("complete_vault_lock", lockId=lock_id))[0] == 404
    await slow_boto("delete_archive", archiveId=archive_id)
    await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()})


async def test_a_lock_denies_young_deletions_only(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """An archive of 364 days stays, one of 366 goes."""
    answer = await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()})
    await slow_boto("complete_vault_lock", lockId=answer["lockId"])
    archive_id = await slow_boto.upload(b"x")
    await faithful.advance(364 * DAY)
    status, code, message = await slow_boto.refused("delete_archive", archiveId=archive_id)
    assert (status, code) == (403, "AccessDeniedException")
    assert "not authorized to perform: glacier:DeleteArchive" in message
    await faithful.advance(2 * DAY)
    await slow_boto("delete_archive", archiveId=archive_id)


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
    """The rest is kept and not evaluated, however odd."""
    await boto("set_vault_access_policy", policy={"Policy": policy})
    archive_id = await boto.upload(b"x")
    if denied:
        assert (await boto.refused("delete_archive", archiveId=archive_id))[0] == 403
    else:
        await boto("delete_archive", archiveId=archive_id)


async def test_tags_are_added_overwritten_and_removed(boto: Boto) -> None:
    """Keys are case-sensitive, unknown ones are no error."""
    assert (await boto("list_tags_for_vault"))["Tags"] == {}
    await boto(
        "add_tags_to_vault",
        Tags={"Team": "film", "team": "", ACCENTED: "a b+c=d/e@f:g"},
    )
    await boto("add_tags_to_vault", Tags={"Team": "photo"})
    assert (await boto("list_tags_for_vault"))["Tags"]["Team"] == "photo"
    await boto("remove_tags_from_vault", TagKeys=["team", "unknown"])
    assert set((await boto("list_tags_for_vault"))["Tags"]) == {
        "Team",
        ACCENTED,
    }


async def test_the_51st_tag_is_refused_and_none_of_its_request_is_set(boto: Boto) -> None:
    """50 tags a vault, 10 a request."""
    for start in range(0, 50, 10):
        await boto("add_tags_to_vault", Tags={f"k{start + number}": "v" for number in range(10)})
    await boto("add_tags_to_vault", Tags={"k0": "changed"})
    status, code, _ = await boto.refused("add_tags_to_vault", Tags={"k0": "again", "one-more": "v"})
    assert (status, code) == (400, "LimitExceededException")
    assert (await boto("list_tags_for_vault"))["Tags"]["k0"] == "changed"


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {f"k{number}": "v" for number in range(11)},
        {"aws:x": "v"},
        {"k" * 129: "v"},
        {"k": "v" * 256},
        {"": "v"},
        {"k": "no#hash"},
    ],
)
async def test_wrong_tags_are_refused(boto: Boto, tags: dict[str, str]) -> None:
    """Number, length and characters are checked."""
    assert (await boto.refused("add_tags_to_vault", Tags=tags))[0] == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tags?operation=add", b"{}"),
        ("tags?operation=add", b'{"Tags":[]}'),
        ("tags?operation=add", b'{"Tags":{"a":1}}'),
        ("tags?operation=remove", b"{}"),
        ("tags?operation=remove", b'{"TagKeys":[1]}'),
        ("tags?operation=remove", b'{"TagKeys":[]}'),
    ],
)
async def test_wrong_tag_documents_are_refused(faithful: LocalGlacier, path: str, body: bytes) -> None:
    """Missing or of another type."""
    await send(faithful, "PUT", "/-/vaults/v")
    assert (await send(faithful, "POST", f"/-/vaults/v/{path}", body)).status == 400


async def test_every_setting_needs_its_vault(faithful: LocalGlacier) -> None:
    """404 for a vault that is not there, in all of them."""
    policy = json.dumps({"Policy": deny_delete()}).encode()
    notifications = json.dumps({"SNSTopic": TOPIC, "Events": ["ArchiveRetrievalCompleted"]}).encode()
    requests: list[tuple[str, str, bytes]] = [
        (method, path, body)
        for path, body in (("notification-configuration", notifications), ("access-policy", policy))
        for method in ("PUT", "GET", "DELETE")
    ]
    requests += [
        ("POST", "lock-policy", policy),
        ("GET", "lock-policy", b""),
        ("DELETE", "lock-policy", b""),
        ("POST", "lock-policy/id", b""),
        ("POST", "tags?operation=add", b'{"Tags":{"a":"b"}}'),
        ("POST", "tags?operation=remove", b'{"TagKeys":["a"]}'),
        ("GET", "tags", b""),
    ]
    for method, path, body in requests:
        answer = await send(faithful, method, f"/-/vaults/nothere/{path}", body)
        assert answer.error == (404, "ResourceNotFoundException"), (method, path)
