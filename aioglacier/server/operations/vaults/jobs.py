"""Jobs: initiating, describing and listing them. The housekeeping completes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.core.ranges import ByteRange, is_megabyte_aligned
from aioglacier.server.operations.vaults import account, snapshots
from aioglacier.server.operations.vaults.archives import archive_not_found, find_archive
from aioglacier.server.operations.vaults.vaults import find_vault
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import RefusalError, invalid, missing, not_found, refuse
from aioglacier.server.requests.call import Answer, VaultCall, accepted, document
from aioglacier.server.state import bodies

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_TIERS: Final = ("Expedited", "Standard", "Bulk")
_STATUSES: Final = ("InProgress", "Succeeded", "Failed")
_FORMATS: Final = ("JSON", "CSV")
_TOPIC: Final = re.compile(r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,260}")
KEPT_MS: Final = VAULT.job_output_seconds * 1000


@dataclass(frozen=True, slots=True)
class _Wish:
    """The parameters of InitiateJob, checked as far as the request alone allows."""

    description: str | None
    topic: str | None
    tier: str | None
    archive_id: str = ""
    byte_range: ByteRange | None = None
    output_format: str | None = None
    filters: Mapping[str, str | None] | None = None


async def initiate_job(call: VaultCall) -> Answer:
    """InitiateJob; each success is a new job."""
    wish = _parse_wish(call)
    if wish.filters is not None:  # an inventory job shows the inventory of now
        await snapshots.catch_up(call.site)
    try:
        job_id = await call.commit(partial(_initiate, call=call, wish=wish))
    finally:  # also of a job whose answer is lost to a scripted fault
        call.site.housekeeping.expect_job(call.now)
    return accepted({"Location": call.location("jobs", job_id), "x-amz-job-id": job_id}, status=202)


def _parse_wish(call: VaultCall) -> _Wish:
    if not call.body.strip():
        raise missing("Job Parameters")
    fields = call.document()
    wrapped = fields.get("jobParameters")
    if isinstance(wrapped, dict):  # the guide's syntax, which no client sends
        fields = {name: value for name, value in wrapped.items() if value is not None}
    kind = _text(fields, "Type")
    if kind is None:
        raise missing("type")
    if kind == "select":
        raise invalid(behaviour.SELECT_NOT_SUPPORTED)
    if kind == "archive-retrieval":
        return _parse_archive_wish(fields)
    if kind == "inventory-retrieval":
        return _parse_inventory_wish(fields)
    raise invalid(f"Invalid job type: {kind}")


def _parse_archive_wish(fields: Mapping[str, Any]) -> _Wish:
    archive_id = _text(fields, "ArchiveId")
    if not archive_id:
        raise missing("ArchiveId")
    for name in ("Format", "InventoryRetrievalParameters"):
        if name in fields:
            raise invalid(f"{name} is not allowed for an archive-retrieval job.")
    tier = _text(fields, "Tier") or "Standard"
    if tier not in _TIERS:
        raise invalid(f"Invalid tier: {tier}")
    return _Wish(
        description=wire.check_description(_text(fields, "Description")),
        topic=parse_topic(_text(fields, "SNSTopic")),
        tier=tier,
        archive_id=archive_id,
        byte_range=_parse_range(_text(fields, "RetrievalByteRange")),
    )


def _parse_inventory_wish(fields: Mapping[str, Any]) -> _Wish:
    for name in ("ArchiveId", "RetrievalByteRange"):
        if name in fields:
            raise invalid(f"{name} is not allowed for an inventory-retrieval job.")
    output_format = _text(fields, "Format") or "JSON"
    if output_format not in _FORMATS:
        raise invalid(f"Invalid format: {output_format}")
    return _Wish(
        description=wire.check_description(_text(fields, "Description")),
        topic=parse_topic(_text(fields, "SNSTopic")),
        tier=behaviour.INVENTORY_TIER,
        output_format=output_format,
        filters=_parse_filters(fields.get("InventoryRetrievalParameters")),
    )


def _parse_filters(given: Any) -> dict[str, str | None]:
    if given is not None and not isinstance(given, dict):
        raise invalid("Invalid InventoryRetrievalParameters")
    fields = {name: value for name, value in (given or {}).items() if value is not None}
    if isinstance(fields.get("Limit"), int):
        fields["Limit"] = str(fields["Limit"])
    filters = {name: _text(fields, name) for name in ("StartDate", "EndDate", "Limit", "Marker")}
    for name in ("StartDate", "EndDate"):
        text = filters[name]
        try:
            wire.parse_instant(text or "1970-01-01T00:00:00Z")
        except (ValueError, OverflowError):
            raise invalid(f"Invalid {name}: {text}") from None
    limit = filters["Limit"]
    if limit is not None and not wire.parse_number(limit):
        raise invalid(f"Invalid limit: {limit}")
    wire.parse_marker(filters["Marker"])
    return filters


def _parse_range(text: str | None) -> ByteRange | None:
    if text is None:
        return None
    try:
        return ByteRange.parse(text)
    except ValueError:
        raise invalid(behaviour.RANGE_NOT_ALIGNED.format(range=text)) from None


def parse_topic(text: str | None) -> str | None:
    """Return an SNS topic's ARN; the topic itself is not looked up."""
    if text is not None and not _TOPIC.fullmatch(text):
        raise invalid(behaviour.BAD_TOPIC.format(topic=text))
    return text


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"Invalid {name}")
    return value


def _initiate(db: sqlite3.Connection, call: VaultCall, wish: _Wish) -> str:
    vault = find_vault(db, call)
    job_id = wire.new_id(wire.JOB_ID_LENGTH)
    delay = call.site.settings.job_delay[wish.tier or "Inventory"]
    columns: dict[str, Any] = {
        "id": job_id,
        "vault": vault["number"],
        "description": wish.description,
        "sns_topic": wish.topic,
        "tier": wish.tier,
        "created": call.now,
        "due": call.now + int(delay * 1000),
        "planned_failure": call.faults.planned_failure(),  # drawn now, so that a restart does not change it
    }
    columns |= (
        _archive_columns(db, call, vault, wish)
        if wish.filters is None
        else _inventory_columns(db, call, vault, wish)
    )
    names = ", ".join(columns)
    places = ", ".join(f":{name}" for name in columns)
    db.execute(f"INSERT INTO jobs ({names}) VALUES ({places})", columns)  # noqa: S608  # the names above
    return job_id


def _archive_columns(
    db: sqlite3.Connection, call: VaultCall, vault: sqlite3.Row, wish: _Wish
) -> dict[str, Any]:
    archive = find_archive(db, wish.archive_id)
    if archive is None or archive["vault"] != vault["number"]:  # an archive of another vault is not revealed
        raise archive_not_found(wish.archive_id)
    size = archive["size"]
    wanted = wish.byte_range or ByteRange(0, size)
    if not is_megabyte_aligned(wanted, size):
        raise invalid(behaviour.RANGE_NOT_ALIGNED.format(range=wanted))
    account.check_retrieval(db, call, tier=wish.tier or "", size=wanted.size)
    return {
        "action": "ArchiveRetrieval",
        "archive_id": archive["id"],
        "archive_description": archive["description"],  # the archive may be deleted before its job ends
        "body": archive["body"],
        "archive_size": size,
        "archive_hash": archive["tree_hash"],
        "range_start": wanted.start,
        "range_stop": wanted.stop,
        "range_hash": bodies.range_hash(db, archive["body"], size, wanted),
    }


def _inventory_columns(
    db: sqlite3.Connection, call: VaultCall, vault: sqlite3.Row, wish: _Wish
) -> dict[str, Any]:
    if vault["inventoried"] is None:
        if call.site.settings.inventory_lag_ms:
            raise refuse(behaviour.NO_INVENTORY, arn=call.arn)
        snapshots.take(db, vault["number"], call.now)
    filters = wish.filters or {}
    return {
        "action": "InventoryRetrieval",
        "format": wish.output_format,
        "start_date": filters["StartDate"],
        "end_date": filters["EndDate"],
        "entry_limit": filters["Limit"],
        "marker": filters["Marker"],
    }


async def describe_job(call: VaultCall) -> Answer:
    """DescribeJob."""
    await call.site.housekeeping.caught_up()
    return document(describe(await call.read(partial(find_job, call=call)), call.arn))


def find_job(db: sqlite3.Connection, call: VaultCall) -> sqlite3.Row:
    """Return the record of the job in the path.

    Raises:
        RefusalError: There is no such job, or it has expired.
    """
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM jobs WHERE id = ? AND vault = ?", (call.item, find_vault(db, call)["number"])
    ).fetchone()
    if row is None or (row["completed"] is not None and row["completed"] + KEPT_MS <= call.now):
        raise _job_not_found(call)
    return row


def _job_not_found(call: VaultCall) -> RefusalError:
    return not_found(behaviour.JOB_NOT_FOUND.format(id=call.item))


def describe(row: sqlite3.Row, arn: str) -> dict[str, Any]:
    """Return the job document of DescribeJob, ListJobs and notifications."""
    is_inventory = row["action"] == "InventoryRetrieval"
    return {
        "Action": row["action"],
        "ArchiveId": row["archive_id"],
        "ArchiveSHA256TreeHash": _hex(row["archive_hash"]),
        "ArchiveSizeInBytes": row["archive_size"],
        "Completed": row["completed"] is not None,
        "CompletionDate": wire.instant_or_null(row["completed"]),
        "CreationDate": wire.instant(row["created"]),
        "InventoryRetrievalParameters": _describe_filters(row) if is_inventory else None,
        "InventorySizeInBytes": row["output_size"],
        "JobDescription": row["description"],
        "JobId": row["id"],
        "RetrievalByteRange": None if is_inventory else f"{row['range_start']}-{row['range_stop'] - 1}",
        "SHA256TreeHash": _hex(row["range_hash"]),
        "SNSTopic": row["sns_topic"],
        "StatusCode": row["status"],
        "StatusMessage": row["message"],
        "Tier": row["tier"],
        "VaultARN": arn,
    }


def _describe_filters(row: sqlite3.Row) -> dict[str, str | None]:
    return {
        "EndDate": row["end_date"],
        "Format": row["format"],
        "Limit": row["entry_limit"],
        "Marker": row["marker"] if row["completed"] is None else row["next_marker"],
        "StartDate": row["start_date"],
    }


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


async def list_jobs(call: VaultCall) -> Answer:
    """ListJobs, newest first, filtered by completion and status."""
    limit = call.faults.page_limit(wire.parse_limit(call.query.get("limit"), VAULT.max_items_per_page))
    marker = wire.parse_marker(call.query.get("marker"))
    condition = _parse_conditions(call)
    await call.site.housekeeping.caught_up()
    rows = await call.read(partial(_page, call=call, condition=condition, before=marker, limit=limit + 1))
    page = [describe(row, call.arn) for row in rows[:limit]]
    following = wire.marker_for(rows[limit - 1]["number"]) if len(rows) > limit else None
    return document({"JobList": page, "Marker": following})


def _parse_conditions(call: VaultCall) -> dict[str, str | None]:
    status = call.query.get("statuscode") or None
    if status is not None and status not in _STATUSES:
        raise invalid(f"The job status code is not valid: {status}")
    completed = call.query.get("completed") or None
    if completed not in {None, "true", "false"}:
        raise invalid(f"The completed flag is not valid: {completed}")
    return {"status": status, "completed": completed}


def _page(
    db: sqlite3.Connection, call: VaultCall, condition: dict[str, str | None], before: int | None, limit: int
) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT * FROM jobs WHERE vault = :vault AND number < :before "
        "AND (completed IS NULL OR completed > :oldest) "
        "AND (:status IS NULL OR status = :status) "
        "AND (:completed IS NULL OR (completed IS NOT NULL) = (:completed = 'true')) "
        "ORDER BY number DESC LIMIT :limit",
        {
            **condition,
            "vault": find_vault(db, call)["number"],
            "before": 2**62 if before is None else before,
            "oldest": call.now - KEPT_MS,
            "limit": limit,
        },
    ).fetchall()
