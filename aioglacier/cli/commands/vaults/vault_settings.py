"""``aioglacier vault tags|policy|lock|notifications``: the settings of a vault.

Each command is a coroutine function that takes a vault and the command's own values, does its work, and
returns the record to print. ``_reads`` and ``_changes`` add what all of them share.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import CommandGroup, folding
from aioglacier.cli.program.parameters import VAULT, Words
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.core.checks import check_id
from aioglacier.core.models import VaultEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault

    Work = Callable[..., Awaitable[Record]]
    Text = Callable[[Mapping[str, Any]], str]


async def _run(
    session: Session, vault: str, work: Work, text: Text, given: dict[str, Any], glacier: Glacier
) -> None:
    session.output.record({"vault": vault, **await work(glacier.vault(vault), **given)}, text)


def _reads(group: CommandGroup, name: str, text: Text) -> Callable[[Work], click.Command]:
    """Make a function the command that shows something of a vault."""

    def decorate(work: Work) -> click.Command:
        @group.command(name, help=work.__doc__, records=False)
        @VAULT
        def command(session: Session, vault: str) -> Ending:
            return partial(_run, session, vault, work, text, {})

        return command

    return decorate


def _changes(
    group: CommandGroup,
    name: str,
    operation: str,
    what: str,
    done: Text | str,
    *parameters: Callable[..., Any],
    note: str = "",
) -> Callable[[Work], click.Command]:
    """Make a function the command that changes something of a vault, as in "would WHAT vault NAME".

    ``done`` makes the text from the record, or is what was done. With ``YES`` among its parameters the
    command asks a person before; with a ``note`` the change can never be undone.
    """

    def text(record: Mapping[str, Any]) -> str:
        return f"{record['vault']}: {done}" if isinstance(done, str) else done(record)

    def decorate(work: Work) -> click.Command:
        def command(session: Session, vault: str, dry_run: bool, yes: bool = True, **given: Any) -> Ending:
            if dry_run:
                facts = {key: plain(value) for key, value in given.items()}
                return tell_plan(session, operation, f"{what} vault {vault}", vault=vault, **facts)
            if YES in parameters:
                # Only what can never be undone needs a terminal.
                confirm(session, f"{what} vault {vault}", yes=yes, note=note, is_final=bool(note))
            return partial(_run, session, vault, work, text, given)

        for decorator in reversed([VAULT, *parameters, DRY_RUN]):
            command = decorator(command)
        return group.command(name, help=work.__doc__, records=False)(command)

    return decorate


def _read_policy(given: dict[str, Any]) -> None:
    file = given["policy"]
    given["policy"] = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    try:
        json.loads(given["policy"])
    except ValueError as error:
        raise click.UsageError(f"{file!r} is not a policy in JSON: {error}") from error


def _read_tags(given: dict[str, Any]) -> None:
    pairs = [pair.partition("=") for pair in given["tags"]]
    for key, equals, value in pairs:
        if not (key and equals):  # an empty value is a tag, too
            raise click.UsageError(f"{key + equals + value!r} is not KEY=VALUE")
    given["tags"] = {key: value for key, _, value in pairs}


def _check_lock_id(given: dict[str, Any]) -> None:
    check_id("lock", given["lock_id"])  # before a connection is opened


def _check_topic(given: dict[str, Any]) -> None:
    if not given["sns_topic"].startswith("arn:"):
        raise click.UsageError(f"{given['sns_topic']!r} is not the ARN of a topic, such as {_ARN}")


_ARN: Final = "arn:aws:sns:eu-west-1:012345678901:NAME"
_TOPIC: Final = folding(_check_topic, click.argument("sns_topic"))
_POLICY: Final = folding(_read_policy, click.argument("policy", metavar="FILE"))
_TAGS: Final = folding(_read_tags, click.argument("tags", metavar="KEY=VALUE...", nargs=-1, required=True))
_KEYS: Final = click.argument("keys", metavar="KEY...", nargs=-1, required=True)
_LOCK_ID: Final = folding(_check_lock_id, click.argument("lock_id"))


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


@_changes(tags, "add", "AddTagsToVault", "set tags of", _tags_text, _TAGS)
async def _add_tags(vault: Vault, tags: dict[str, str]) -> Record:
    """Set tags of VAULT, and replace those with the same key."""
    await vault.tags.add(tags)
    return {"tags": await vault.tags.get()}


@_changes(tags, "remove", "RemoveTagsFromVault", "remove tags of", _tags_text, _KEYS)
async def _remove_tags(vault: Vault, keys: tuple[str, ...]) -> Record:
    """Remove tags of VAULT. A key that is not there is no error."""
    await vault.tags.remove(keys)
    return {"tags": await vault.tags.get()}


# --- access policy


@click.group("policy", cls=CommandGroup, short_help="The access policy: who may do what.")
def policy() -> None:
    """The access policy of a vault: who may do what with it, as the JSON of an IAM policy."""


@_reads(policy, "show", lambda record: str(record["policy"]))
async def _show_policy(vault: Vault) -> Record:
    """Print the access policy of VAULT."""
    return {"policy": await vault.access_policy.get()}


@_changes(
    policy, "set", "SetVaultAccessPolicy", "replace the access policy of", "set the access policy", _POLICY
)
async def _set_policy(vault: Vault, policy: str) -> Record:
    """Replace the access policy of VAULT by the text in FILE; - is standard input."""
    await vault.access_policy.set(policy)
    return {"policy": policy}


@_changes(
    policy,
    "delete",
    "DeleteVaultAccessPolicy",
    "remove the access policy of",
    "removed the access policy",
    YES,
)
async def _delete_policy(vault: Vault) -> Record:
    """Remove the access policy of VAULT. Asks first on a terminal."""
    await vault.access_policy.delete()
    return {"policy": None}


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
    lock, "initiate", "InitiateVaultLock", "try for 24 hours a lock policy on", itemgetter("lock_id"), _POLICY
)
async def _initiate_lock(vault: Vault, policy: str) -> Record:
    """Try the lock policy in FILE on VAULT for up to 24 hours. Prints the id that completes the lock."""
    return {"lock_id": await vault.lock.initiate(policy)}


@_changes(
    lock,
    "complete",
    "CompleteVaultLock",
    "lock for ever",
    "locked",
    _LOCK_ID,
    YES,
    note="This can never be undone, not even by AWS",
)
async def _complete_lock(vault: Vault, lock_id: str) -> Record:
    """Lock VAULT with the policy on trial. This can never be undone, not even by AWS."""
    await vault.lock.complete(lock_id)
    return {"state": "Locked"}


@_changes(lock, "abort", "AbortVaultLock", "end the trial of a lock policy on", "ended the trial of the lock")
async def _abort_lock(vault: Vault) -> Record:
    """End the trial of a lock policy on VAULT."""
    await vault.lock.abort()
    return {"state": None}


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


@_changes(
    notifications,
    "set",
    "SetVaultNotifications",
    "set the notifications of",
    _topic_text,
    _TOPIC,
    click.option(
        "--event",
        "events",
        multiple=True,
        type=Words([event.value for event in VaultEvent]),
        help="May be repeated. Default: all.",
    ),
)
async def _set_topic(vault: Vault, sns_topic: str, events: tuple[str, ...]) -> Record:
    """Notify the topic with the ARN SNS_TOPIC of the jobs of VAULT."""
    wanted = sorted(events or (event.value for event in VaultEvent))
    await vault.notifications.set(sns_topic, wanted)
    return {"sns_topic": sns_topic, "events": wanted}


@_changes(notifications, "delete", "DeleteVaultNotifications", "stop the notifications of", _topic_text)
async def _delete_topic(vault: Vault) -> Record:
    """Stop the notifications of VAULT."""
    await vault.notifications.delete()
    return {"sns_topic": None, "events": []}
