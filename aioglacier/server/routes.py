"""The service's 33 operations by method and path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from aioglacier.server.operations.vaults import (
    account,
    archives,
    jobs,
    notifications,
    output,
    policies,
    tags,
    uploads,
    vault_locks as locks,
    vaults,
)
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import denied, refuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.server.requests.call import Answer, VaultCall


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; ``takes_bytes`` if its body is an archive's bytes and not a document."""

    run: Callable[[VaultCall], Awaitable[Answer]]
    takes_bytes: bool = False

    @property
    def name(self) -> str:
        """The operation's name in the API, which is that of its function: ``ListVaults``."""
        return "".join(word.capitalize() for word in self.run.__name__.split("_"))


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a request target: the words of its path, the names in it, its query."""

    account: str
    shape: tuple[str, ...]
    vault: str
    item: str
    query: dict[str, str]


OPERATIONS: Final[dict[tuple[str, ...], Operation]] = {
    ("GET", "vaults"): Operation(vaults.list_vaults),
    ("PUT", "vaults", "*"): Operation(vaults.create_vault),
    ("GET", "vaults", "*"): Operation(vaults.describe_vault),
    ("DELETE", "vaults", "*"): Operation(vaults.delete_vault),
    ("PUT", "vaults", "*", "notification-configuration"): Operation(notifications.set_vault_notifications),
    ("GET", "vaults", "*", "notification-configuration"): Operation(notifications.get_vault_notifications),
    ("DELETE", "vaults", "*", "notification-configuration"): Operation(
        notifications.delete_vault_notifications
    ),
    ("PUT", "vaults", "*", "access-policy"): Operation(policies.set_vault_access_policy),
    ("GET", "vaults", "*", "access-policy"): Operation(policies.get_vault_access_policy),
    ("DELETE", "vaults", "*", "access-policy"): Operation(policies.delete_vault_access_policy),
    ("POST", "vaults", "*", "lock-policy"): Operation(locks.initiate_vault_lock),
    ("GET", "vaults", "*", "lock-policy"): Operation(locks.get_vault_lock),
    ("DELETE", "vaults", "*", "lock-policy"): Operation(locks.abort_vault_lock),
    ("POST", "vaults", "*", "lock-policy", "*"): Operation(locks.complete_vault_lock),
    ("POST", "vaults", "*", "tags", "operation=add"): Operation(tags.add_tags_to_vault),
    ("POST", "vaults", "*", "tags", "operation=remove"): Operation(tags.remove_tags_from_vault),
    ("GET", "vaults", "*", "tags"): Operation(tags.list_tags_for_vault),
    ("POST", "vaults", "*", "archives"): Operation(archives.upload_archive, takes_bytes=True),
    ("DELETE", "vaults", "*", "archives", "*"): Operation(archives.delete_archive),
    ("POST", "vaults", "*", "multipart-uploads"): Operation(uploads.initiate_multipart_upload),
    ("GET", "vaults", "*", "multipart-uploads"): Operation(uploads.list_multipart_uploads),
    ("PUT", "vaults", "*", "multipart-uploads", "*"): Operation(
        uploads.upload_multipart_part, takes_bytes=True
    ),
    ("POST", "vaults", "*", "multipart-uploads", "*"): Operation(uploads.complete_multipart_upload),
    ("DELETE", "vaults", "*", "multipart-uploads", "*"): Operation(uploads.abort_multipart_upload),
    ("GET", "vaults", "*", "multipart-uploads", "*"): Operation(uploads.list_parts),
    ("POST", "vaults", "*", "jobs"): Operation(jobs.initiate_job),
    ("GET", "vaults", "*", "jobs"): Operation(jobs.list_jobs),
    ("GET", "vaults", "*", "jobs", "*"): Operation(jobs.describe_job),
    ("GET", "vaults", "*", "jobs", "*", "output"): Operation(output.get_job_output),
    ("GET", "policies", "data-retrieval"): Operation(account.get_data_retrieval_policy),
    ("PUT", "policies", "data-retrieval"): Operation(account.set_data_retrieval_policy),
    ("POST", "provisioned-capacity"): Operation(account.purchase_provisioned_capacity),
    ("GET", "provisioned-capacity"): Operation(account.list_provisioned_capacity),
}


def parse_target(raw_path: str) -> Target:
    """Take a request target apart. Doubled and closing slashes are folded; nothing else is changed.

    Raises:
        RefusalError: The path has "." or ".." as a segment, or bytes that no URL has.
    """
    if not raw_path.isascii():
        raise refuse(behaviour.NOT_ASCII)
    path, _, query_text = raw_path.partition("?")
    words = [unquote(word) for word in path.split("/") if word]
    if {".", ".."} & set(words):
        raise refuse(behaviour.BAD_SEGMENT)
    query = dict(parse_qsl(query_text, keep_blank_values=True))
    owner, *shape = words or [""]
    vault = item = ""
    if shape[:1] == ["vaults"]:
        if len(shape) > 1:
            vault, shape[1] = shape[1], "*"
        if len(shape) > 3:
            item, shape[3] = shape[3], "*"
        if shape[2:] == ["tags"] and "operation" in query:
            shape.append(f"operation={query['operation']}")
    return Target(owner, tuple(shape), vault, item, query)


def check_account(target: Target, account_id: str, raw_path: str) -> None:
    """Refuse a path whose first segment is not this account's id, nor "-".

    Raises:
        RefusalError: It is another account's, or not an account.
    """
    if target.account in {"-", account_id}:
        return
    if len(target.account) == 12 and target.account.isascii() and target.account.isdigit():
        raise denied(f"Access denied for account ID: {target.account}")
    raise refuse(behaviour.BAD_ACCOUNT, path=raw_path.partition("?")[0])


def find_operation(method: str, target: Target) -> Operation:
    """Return the operation of a method and a path.

    Raises:
        RefusalError: There is none.
    """
    operation = OPERATIONS.get((method, *target.shape))
    if operation is None:
        raise refuse(behaviour.UNKNOWN_OPERATION)
    return operation
