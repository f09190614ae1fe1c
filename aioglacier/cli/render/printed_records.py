"""Records: the service's models as the command line prints them, in JSON and as text.

Keys are the contract of ``--json``: none is ever renamed. Sizes are bytes, hashes hex, times ISO 8601 UTC,
byte ranges ``START-END`` with both ends included.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from aioglacier.cli.render.escaping import escape
from aioglacier.cli.render.sizes import show_count, show_exact_size, show_size
from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aioglacier.catalog import ArchiveRecord, JobRecord
    from aioglacier.cli.render.console import Record
    from aioglacier.client.upload import KnownUpload
    from aioglacier.core.models import Archive, JobDescription, ObjectFacts, VaultDescription

_SIZE_KEYS: Final = frozenset({"size", "part_size", "sent", "archive_size", "inventory_size", "at_most"})


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    match value:
        case bytes():
            return value.hex()
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case ByteRange():
            return str(value)
        case Enum():
            return value.value
        case frozenset() | set():
            return sorted(plain(each) for each in value)
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case tuple() | list():
            return [plain(each) for each in value]
        case float() if not math.isfinite(value):
            return None  # an unknown price; JSON has no NaN
        case None | bool() | int() | float() | str():  # JSON has these
            return value
        case _:
            return str(value)


def archive_record(archive: Archive) -> Record:
    """Return an archive; ``name`` and ``modified`` come from its description, from whichever tool."""
    found = decode(archive.description)  # other programs keep names in it, too
    return {
        "archive_id": archive.id,
        "vault": archive.vault,
        "size": archive.size,
        "tree_hash": archive.tree_hash.hex(),
        "description": archive.description,
        "created": plain(archive.created),
        "name": found.name,
        "modified": plain(found.modified),
    }


def object_record(archive: Archive, facts: ObjectFacts | None) -> Record:
    """Return an object in a bucket; ``place`` is ``s3://BUCKET/PREFIX``, and ``key`` the key below it."""
    found = facts._asdict() if facts is not None else {}
    return {
        "key": archive.id,
        "place": archive.vault,
        "size": archive.size,
        "storage_class": found.get("storage_class"),
        "tree_hash": archive.tree_hash.hex() or None,
        "checksum": f"{found['algorithm']}:{found['checksum']}" if found.get("checksum") else None,
        "description": archive.description or None,
        "created": plain(archive.created),
        "etag": found.get("etag"),
        "version_id": found.get("version_id"),
    }


def object_text(record: Mapping[str, Any]) -> str:
    """An object for people."""
    without = {"key", "place", "skipped", "etag", *(() if record.get("tree_hash") is None else ("checksum",))}
    if record["key"].rpartition("/")[2] == str(record.get("source")).rpartition("/")[2]:
        without.add("source")
    slash = "" if record["place"].count("/") > 2 else "/"  # a prefix brings its own
    return as_text(record["place"] + slash + record["key"], record, without=without)


def known_archive_record(record: ArchiveRecord) -> Record:
    """Return an archive as the catalog knows it."""
    return {
        **archive_record(record.archive),
        "state": record.state.value,
        "source": record.source,
        "seen": plain(record.seen),
    }


def vault_record(vault: VaultDescription) -> Record:
    """Return a vault."""
    return {
        "name": vault.name,
        "arn": vault.arn,
        "created": plain(vault.created),
        "archives": vault.archive_count,
        "size": vault.size,
        "inventoried": plain(vault.inventoried),
    }


def job_record(vault: str, job: JobDescription) -> Record:
    """Return a job."""
    return {
        "job_id": job.id,
        "vault": vault,
        "action": job.action.value,
        "status": job.status.value,
        "status_message": job.status_message,
        "tier": plain(job.tier),
        "created": plain(job.created),
        "completed": plain(job.completed),
        "archive_id": job.archive_id,
        "archive_size": job.archive_size,
        "archive_tree_hash": plain(job.archive_tree_hash),
        "byte_range": plain(job.byte_range),
        "tree_hash": plain(job.tree_hash),
        "inventory_size": job.inventory_size,
        "inventory_format": plain(job.inventory.format) if job.inventory else None,
        "sns_topic": job.sns_topic,
        "description": job.description,
    }


def intent_record(job: JobRecord) -> Record:
    """Return a job that was about to be started when the program was stopped."""
    return {
        "job_id": None,
        "vault": job.key.vault,
        "action": job.action.value,
        "status": "Intent",
        "status_message": None,
        "tier": plain(job.tier),
        "created": plain(job.created),
        "archive_id": job.archive_id,
        "byte_range": plain(job.byte_range),
    }


def upload_record(vault: str, known: KnownUpload) -> Record:
    """Return an unfinished upload with its number of parts; the last one may be shorter."""
    record = known.record
    return {
        "upload_id": known.id,
        "vault": vault,
        "part_size": known.part_size,
        "started": plain(known.started),
        "description": known.description,
        "sent": known.sent,
        "parts": known.parts,
        "state": plain(record.state) if record else "open",
        "source": record.source if record else None,
        "active": plain(record.active) if record else None,
        "size": record.size if record else None,
        "tree_hash": plain(record.tree_hash) if record else None,
    }


def archive_text(record: Mapping[str, Any]) -> str:
    """An archive for people."""
    without = {"name", "description"} if record["name"] == record["description"] else {"name"}
    return as_text(record["name"] or "(no description)", record, without=without)


def vault_text(record: Mapping[str, Any]) -> str:
    """A vault for people."""
    counted = f"{show_count(record['archives'], 'archive')}, {show_size(record['size'])}"
    seen = "as of its last inventory" if record["inventoried"] else "(it has no inventory yet)"
    return as_text(f"{record['name']}: {counted} {seen}", record, without={"name", "archives", "size"})


def job_text(record: Mapping[str, Any]) -> str:
    """A job for people."""
    tier = f", {record['tier']}" if record["tier"] else ""
    without = {"action", "status", "tier"}
    if record["status_message"] == record["status"]:
        without.add("status_message")
    return as_text(f"{record['action']}{tier}: {record['status']}", record, without=without)


def upload_text(record: Mapping[str, Any]) -> str:
    """An unfinished upload for people."""
    found = decode(record["description"])
    how_far = {
        "intent": "about to begin; it may be at the service",
        "completing": "about to be completed; the archive may be at the service",
    }.get(record["state"], f"{show_count(record['parts'], 'part')} sent")
    return as_text(
        f"{found.name or '(no description)'}: {how_far}",
        record,
        without={"parts", "state", "description"} if found.tool == "plain" else {"parts", "state"},
    )


def as_text(headline: str, record: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """Return a headline, and below it every other value."""
    shown = {
        key.replace("_", " "): show_exact_size(value) if key in _SIZE_KEYS else escape(str(value))
        for key, value in record.items()
        if value is not None and value != "" and key not in without
    }
    width = max(map(len, shown), default=0)
    return "\n".join(
        [escape(headline), *(f"  {escape(name):<{width}}  {value}" for name, value in shown.items())]
    )
