"""``aioglacier vault tags|policy|lock|notifications``: what is kept beside a vault's archives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.confirming import confirm
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.core.checks import check_id, check_vault_name
from aioglacier.core.models import VaultEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.vault import Vault


def _run(
    session: Session,
    name: str,
    work: Callable[[Vault], Awaitable[Record]],
    as_text: Callable[[Mapping[str, Any]], str],
) -> int:
    """Do something with a vault and print the record that comes of it."""
    check_vault_name(name)

    async def run() -> int:
        async with session.connect() as glacier:
            session.output.record(await work(glacier.vault(name)), as_text)
        return Exit.DONE

    return session.run_async(run)


def _plan(session: Session, operation: str, text: str, *, vault: str, **facts: Any) -> int:
    """Tell what would be asked, in place of ``_run``."""
    return tell_plan(session, operation, text, vault=check_vault_name(vault), **facts)


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")


# --- tags


@click.group("tags", cls=CommandGroup)
def tags() -> None:
    """Tags of a vault: up to 50."""


def _tags_text(record: Mapping[str, Any]) -> str:
    found = record["tags"]
    return as_text(f"{record['vault']}: {show_count(len(found), 'tag')}", found)


@tags.command("list")
@click.argument("vault")
@click.pass_obj
def _list_tags(session: Session, vault: str) -> int:
    """List the tags of VAULT."""

    async def work(of: Vault) -> Record:
        return {"vault": vault, "tags": await of.tags.get()}

    return _run(session, vault, work, _tags_text)


@tags.command("add")
@click.argument("vault")
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@DRY_RUN
@click.pass_obj
def _add_tags(session: Session, vault: str, pairs: tuple[str, ...], dry_run: bool) -> int:
    """Set tags of VAULT, replacing those of the same key."""
    wanted = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        wanted[key] = value

    if dry_run:
        return _plan(
            session,
            "AddTagsToVault",
            f"set {show_count(len(wanted), 'tag')} of vault {vault}",
            vault=vault,
            tags=wanted,
        )

    async def work(of: Vault) -> Record:
        await of.tags.add(wanted)
        return {"vault": vault, "tags": await of.tags.get()}

    return _run(session, vault, work, _tags_text)


@tags.command("remove")
@click.argument("vault")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@DRY_RUN
@click.pass_obj
def _remove_tags(session: Session, vault: str, keys: tuple[str, ...], dry_run: bool) -> int:
    """Remove tags of VAULT; a key that is not there is no error."""
    if dry_run:
        return _plan(
            session,
            "RemoveTagsFromVault",
            f"remove {show_count(len(keys), 'tag')} of vault {vault}",
            vault=vault,
            keys=list(keys),
        )

    async def work(of: Vault) -> Record:
        await of.tags.remove(keys)
        return {"vault": vault, "tags": await of.tags.get()}

    return _run(session, vault, work, _tags_text)


# --- access policy


@click.group("policy", cls=CommandGroup, short_help="The access policy: who may do what.")
def policy() -> None:
    """The access policy of a vault: who may do what with it, as the JSON of an IAM policy."""


def _policy_text(record: Mapping[str, Any]) -> str:
    return str(record["policy"])


@policy.command("show")
@click.argument("vault")
@click.pass_obj
def _show_policy(session: Session, vault: str) -> int:
    """Print the access policy of VAULT."""

    async def work(of: Vault) -> Record:
        return {"vault": vault, "policy": await of.access_policy.get()}

    return _run(session, vault, work, _policy_text)


@policy.command("set")
@click.argument("vault")
@click.argument("file", metavar="FILE")
@DRY_RUN
@click.pass_obj
def _set_policy(session: Session, vault: str, file: str, dry_run: bool) -> int:
    """Replace the access policy of VAULT by what is in FILE; - is standard input."""
    text = _read(file)

    if dry_run:
        return _plan(
            session,
            "SetVaultAccessPolicy",
            f"replace the access policy of vault {vault}",
            vault=vault,
            policy=text,
        )

    async def work(of: Vault) -> Record:
        await of.access_policy.set(text)
        return {"vault": vault, "policy": text}

    return _run(session, vault, work, lambda record: f"{record['vault']}: the access policy is set")


@policy.command("delete")
@click.argument("vault")
@click.option("--yes", is_flag=True, help="Do not ask.")
@DRY_RUN
@click.pass_obj
def _delete_policy(session: Session, vault: str, yes: bool, dry_run: bool) -> int:
    """Remove the access policy of VAULT. Asks first on a terminal."""
    if dry_run:
        return _plan(
            session, "DeleteVaultAccessPolicy", f"remove the access policy of vault {vault}", vault=vault
        )
    confirm(f"Remove the access policy of vault {vault}?", yes=yes, is_final=False)

    async def work(of: Vault) -> Record:
        await of.access_policy.delete()
        return {"vault": vault, "policy": None}

    return _run(session, vault, work, lambda record: f"{record['vault']}: there is no access policy now")


# --- lock


@click.group("lock", cls=CommandGroup, short_help="The policy that nobody can change.")
def lock() -> None:
    """The lock of a vault: a policy that, once locked, nobody can change."""


@lock.command("show")
@click.argument("vault")
@click.pass_obj
def _show_lock(session: Session, vault: str) -> int:
    """Show the lock of VAULT."""

    async def work(of: Vault) -> Record:
        found = await of.lock.get()
        return {
            "vault": vault,
            "state": plain(found.state),
            "created": plain(found.created),
            "expires": plain(found.expires),
            "policy": found.policy,
        }

    def text(record: Mapping[str, Any]) -> str:
        return as_text(f"{vault}: {record['state']}", record, without={"vault", "state"})

    return _run(session, vault, work, text)


@lock.command("initiate")
@click.argument("vault")
@click.argument("file", metavar="FILE")
@DRY_RUN
@click.pass_obj
def _initiate_lock(session: Session, vault: str, file: str, dry_run: bool) -> int:
    """Try the lock policy in FILE on VAULT for up to 24 hours; the id printed completes it."""
    text = _read(file)

    if dry_run:
        return _plan(
            session,
            "InitiateVaultLock",
            f"try a lock policy on vault {vault} for 24 hours",
            vault=vault,
            policy=text,
        )

    async def work(of: Vault) -> Record:
        return {"vault": vault, "lock_id": await of.lock.initiate(text)}

    return _run(session, vault, work, lambda record: str(record["lock_id"]))


@lock.command("complete")
@click.argument("vault")
@click.argument("lock_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@DRY_RUN
@click.pass_obj
def _complete_lock(session: Session, vault: str, lock_id: str, yes: bool, dry_run: bool) -> int:
    """Lock VAULT with the policy on trial. Nobody, AWS included, can undo that."""
    check_id("lock", lock_id)
    if dry_run:
        return _plan(
            session, "CompleteVaultLock", f"lock vault {vault} for ever", vault=vault, lock_id=lock_id
        )
    confirm(f"Lock vault {vault} for ever? Nobody, AWS included, can undo that.", yes=yes)

    async def work(of: Vault) -> Record:
        await of.lock.complete(lock_id)
        return {"vault": vault, "state": "Locked"}

    return _run(session, vault, work, lambda record: f"{record['vault']}: locked")


@lock.command("abort")
@click.argument("vault")
@DRY_RUN
@click.pass_obj
def _abort_lock(session: Session, vault: str, dry_run: bool) -> int:
    """End the trial of a lock policy on VAULT."""
    if dry_run:
        return _plan(
            session, "AbortVaultLock", f"end the trial of a lock policy on vault {vault}", vault=vault
        )

    async def work(of: Vault) -> Record:
        await of.lock.abort()
        return {"vault": vault, "state": None}

    return _run(session, vault, work, lambda record: f"{record['vault']}: there is no lock on trial now")


# --- notifications


@click.group("notifications", cls=CommandGroup)
def notifications() -> None:
    """What a vault tells an SNS topic when a job is done."""


def _notifications_text(record: Mapping[str, Any]) -> str:
    events = ", ".join(record["events"])
    return as_text(f"{record['vault']}: {events or 'nothing is told'}", record, without={"vault", "events"})


@notifications.command("show")
@click.argument("vault")
@click.pass_obj
def _show_notifications(session: Session, vault: str) -> int:
    """Show what VAULT tells, and which topic."""

    async def work(of: Vault) -> Record:
        found = await of.notifications.get()
        return {"vault": vault, "sns_topic": found.sns_topic, "events": plain(found.events)}

    return _run(session, vault, work, _notifications_text)


@notifications.command("set")
@click.argument("vault")
@click.argument("sns_topic")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice([event.value for event in VaultEvent]),
    help="May be repeated. Default: all.",
)
@DRY_RUN
@click.pass_obj
def _set_notifications(
    session: Session, vault: str, sns_topic: str, events: tuple[str, ...], dry_run: bool
) -> int:
    """Let VAULT tell the topic with the ARN SNS_TOPIC."""
    wanted = events or tuple(event.value for event in VaultEvent)
    if dry_run:
        return _plan(
            session,
            "SetVaultNotifications",
            f"let vault {vault} tell {sns_topic}",
            vault=vault,
            sns_topic=sns_topic,
            events=sorted(wanted),
        )

    async def work(of: Vault) -> Record:
        await of.notifications.set(sns_topic, wanted)
        return {"vault": vault, "sns_topic": sns_topic, "events": sorted(wanted)}

    return _run(session, vault, work, _notifications_text)


@notifications.command("delete")
@click.argument("vault")
@DRY_RUN
@click.pass_obj
def _delete_notifications(session: Session, vault: str, dry_run: bool) -> int:
    """Let VAULT tell nobody any more."""
    if dry_run:
        return _plan(session, "DeleteVaultNotifications", f"let vault {vault} tell nobody", vault=vault)

    async def work(of: Vault) -> Record:
        await of.notifications.delete()
        return {"vault": vault, "sns_topic": None, "events": []}

    return _run(session, vault, work, _notifications_text)
