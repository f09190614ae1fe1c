"""``aioglacier vault tags|policy|lock|notifications``: the settings of a vault.

Each command is a function that takes its own arguments and returns what it reads or changes; ``_reads`` and
``_changes`` add what all of them share: the vault, ``--dry-run``, the question, the connection, the record.
"""

from __future__ import annotations

import sys
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.confirming import YES, confirm
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.core.checks import check_id, check_vault_name
from aioglacier.core.models import VaultEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault

    Work = Callable[[Vault], Awaitable[Record]]
    Text = Callable[[Mapping[str, Any]], str]


def _run(session: Session, name: str, work: Work, text: Text) -> int:
    async def run(glacier: Glacier) -> int:
        session.output.record({"vault": name, **await work(glacier.vault(name))}, text)
        return Exit.DONE

    return session.run(run, records=False)


def _reads(group: CommandGroup, name: str, text: Text) -> Callable[[Work], click.Command]:
    def decorate(read: Work) -> click.Command:
        @group.command(name, help=read.__doc__)
        @click.argument("vault")
        @click.pass_obj
        def command(session: Session, vault: str) -> int:
            return _run(session, check_vault_name(vault), read, text)

        return command

    return decorate


def _changes(
    group: CommandGroup,
    name: str,
    operation: str,
    what: str,
    text: Text,
    *,
    question: str | None = None,
    is_final: bool = False,
) -> Callable[[Callable[..., tuple[Record, Work]]], click.Command]:
    """Make a function the command that changes something of a vault.

    The function takes the command's own arguments and returns the parameters of the operation and the work.

    Args:
        group: The group of the command.
        name: The name of the command.
        operation: The service's name of the operation, for the plan.
        what: What it would do, as in "would WHAT vault NAME".
        text: The record for people.
        question: Asked before; "{}" is the vault.
        is_final: Whether the change can never be undone.
    """

    def decorate(function: Callable[..., tuple[Record, Work]]) -> click.Command:
        def run(session: Session, /, vault: str, dry_run: bool, yes: bool = True, **given: Any) -> int:
            check_vault_name(vault)
            facts, work = function(**given)
            if dry_run:
                return tell_plan(session, operation, f"{what} vault {vault}", vault=vault, **facts)
            if question is not None:
                confirm(question.format(vault), yes=yes, is_final=is_final)
            return _run(session, vault, work, text)

        command: Callable[..., int] = DRY_RUN(update_wrapper(click.pass_obj(run), function))
        command = command if question is None else YES(command)
        return group.command(name)(click.argument("vault")(command))

    return decorate


def _read_text(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")


# --- tags


@click.group("tags", cls=CommandGroup)
def tags() -> None:
    """The tags of a vault, up to 50."""


def _tags_text(record: Mapping[str, Any]) -> str:
    found = record["tags"]
    return as_text(f"{record['vault']}: {show_count(len(found), 'tag')}", found)


@_reads(tags, "list", _tags_text)
async def _list_tags(vault: Vault) -> Record:
    """List the tags of VAULT."""
    return {"tags": await vault.tags.get()}


@_changes(tags, "add", "AddTagsToVault", "set tags of", _tags_text)
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
def _add_tags(pairs: tuple[str, ...]) -> tuple[Record, Work]:
    """Set tags of VAULT, and replace those with the same key."""
    wanted = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        wanted[key] = value

    async def add(vault: Vault) -> Record:
        await vault.tags.add(wanted)
        return {"tags": await vault.tags.get()}

    return {"tags": wanted}, add


@_changes(tags, "remove", "RemoveTagsFromVault", "remove tags of", _tags_text)
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
def _remove_tags(keys: tuple[str, ...]) -> tuple[Record, Work]:
    """Remove tags of VAULT. A key that is not there is no error."""

    async def remove(vault: Vault) -> Record:
        await vault.tags.remove(keys)
        return {"tags": await vault.tags.get()}

    return {"keys": list(keys)}, remove


# --- access policy


@click.group("policy", cls=CommandGroup, short_help="The access policy: who may do what.")
def policy() -> None:
    """The access policy of a vault: who may do what with it, as the JSON of an IAM policy."""


@_reads(policy, "show", lambda record: str(record["policy"]))
async def _show_policy(vault: Vault) -> Record:
    """Print the access policy of VAULT."""
    return {"policy": await vault.access_policy.get()}


@_changes(
    policy,
    "set",
    "SetVaultAccessPolicy",
    "replace the access policy of",
    lambda record: f"{record['vault']}: set the access policy",
)
@click.argument("file", metavar="FILE")
def _set_policy(file: str) -> tuple[Record, Work]:
    """Replace the access policy of VAULT by the text in FILE; - is standard input."""
    text = _read_text(file)

    async def replace(vault: Vault) -> Record:
        await vault.access_policy.set(text)
        return {"policy": text}

    return {"policy": text}, replace


@_changes(
    policy,
    "delete",
    "DeleteVaultAccessPolicy",
    "remove the access policy of",
    lambda record: f"{record['vault']}: removed the access policy",
    question="Remove the access policy of vault {}?",
)
def _delete_policy() -> tuple[Record, Work]:
    """Remove the access policy of VAULT. Asks first on a terminal."""

    async def delete(vault: Vault) -> Record:
        await vault.access_policy.delete()
        return {"policy": None}

    return {}, delete


# --- lock


@click.group("lock", cls=CommandGroup, short_help="The policy that can never be changed.")
def lock() -> None:
    """The lock of a vault: a policy that, once locked, can never be changed."""


def _lock_text(record: Mapping[str, Any]) -> str:
    return as_text(f"{record['vault']}: {record['state']}", record, without={"vault", "state"})


@_reads(lock, "show", _lock_text)
async def _show_lock(vault: Vault) -> Record:
    """Show the lock of VAULT."""
    found = await vault.lock.get()
    times = {"created": plain(found.created), "expires": plain(found.expires)}
    return {"state": plain(found.state), **times, "policy": found.policy}


@_changes(
    lock,
    "initiate",
    "InitiateVaultLock",
    "for 24 hours, try a lock policy on",
    lambda record: str(record["lock_id"]),
)
@click.argument("file", metavar="FILE")
def _initiate_lock(file: str) -> tuple[Record, Work]:
    """Try the lock policy in FILE on VAULT for up to 24 hours. Prints the id that completes the lock."""
    text = _read_text(file)

    async def initiate(vault: Vault) -> Record:
        return {"lock_id": await vault.lock.initiate(text)}

    return {"policy": text}, initiate


@_changes(
    lock,
    "complete",
    "CompleteVaultLock",
    "for ever, lock",
    lambda record: f"{record['vault']}: locked",
    question="Lock vault {} for ever? This can never be undone, not even by AWS.",
    is_final=True,
)
@click.argument("lock_id")
def _complete_lock(lock_id: str) -> tuple[Record, Work]:
    """Lock VAULT with the policy on trial. This can never be undone, not even by AWS."""
    check_id("lock", lock_id)

    async def complete(vault: Vault) -> Record:
        await vault.lock.complete(lock_id)
        return {"state": "Locked"}

    return {"lock_id": lock_id}, complete


@_changes(
    lock,
    "abort",
    "AbortVaultLock",
    "end the trial of a lock policy on",
    lambda record: f"{record['vault']}: ended the trial of the lock",
)
def _abort_lock() -> tuple[Record, Work]:
    """End the trial of a lock policy on VAULT."""

    async def abort(vault: Vault) -> Record:
        await vault.lock.abort()
        return {"state": None}

    return {}, abort


# --- notifications


@click.group("notifications", cls=CommandGroup)
def notifications() -> None:
    """The SNS topic that a vault notifies when a job is done."""


def _topic_text(record: Mapping[str, Any]) -> str:
    events = ", ".join(record["events"])
    return as_text(f"{record['vault']}: {events or 'no notifications'}", record, without={"vault", "events"})


@_reads(notifications, "show", _topic_text)
async def _show_topic(vault: Vault) -> Record:
    """Show the topic that VAULT notifies, and of which events."""
    found = await vault.notifications.get()
    return {"sns_topic": found.sns_topic, "events": plain(found.events)}


@_changes(notifications, "set", "SetVaultNotifications", "set the notifications of", _topic_text)
@click.argument("sns_topic")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice([event.value for event in VaultEvent]),
    help="May be repeated. Default: all.",
)
def _set_topic(sns_topic: str, events: tuple[str, ...]) -> tuple[Record, Work]:
    """Notify the topic with the ARN SNS_TOPIC of the jobs of VAULT."""
    wanted = sorted(events or (event.value for event in VaultEvent))

    async def set_(vault: Vault) -> Record:
        await vault.notifications.set(sns_topic, wanted)
        return {"sns_topic": sns_topic, "events": wanted}

    return {"sns_topic": sns_topic, "events": wanted}, set_


@_changes(notifications, "delete", "DeleteVaultNotifications", "stop the notifications of", _topic_text)
def _delete_topic() -> tuple[Record, Work]:
    """Stop the notifications of VAULT."""

    async def delete(vault: Vault) -> Record:
        await vault.notifications.delete()
        return {"sns_topic": None, "events": []}

    return {}, delete
