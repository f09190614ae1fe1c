"""Convert the service's JSON documents to models, and models to documents. Null means absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.core.inventory.text import without_lone_surrogates
from aioglacier.core.models import (
    ArchiveId,
    CapacityId,
    InventoryFormat,
    InventoryParameters,
    JobAction,
    JobDescription,
    JobId,
    JobStatus,
    LockState,
    NotificationConfig,
    Page,
    ProvisionedCapacity,
    RetrievalPolicy,
    RetrievalStrategy,
    Tier,
    UploadDescription,
    UploadedPart,
    UploadId,
    VaultDescription,
    VaultEvent,
    VaultLock,
)
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.contract.row_columns import read_date, write_date

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


def page_of(name: str, read_item: Callable[[Mapping[str, Any]], T]) -> Callable[[Mapping[str, Any]], Page[T]]:
    """Return a reader of one page of a list."""

    def read(document: Mapping[str, Any]) -> Page[T]:
        items = _entries(document[name], read_item)
        return Page(items, _maybe(document, "Marker", _text))  # an empty marker would begin the list again

    return read


def read_vault(document: Mapping[str, Any]) -> VaultDescription:
    """Read the answer to DescribeVault, or an item of ListVaults."""
    return VaultDescription(
        name=_text(document["VaultName"]),
        arn=_text(document["VaultARN"]),
        created=read_date(document["CreationDate"]),
        archive_count=_given(document, "NumberOfArchives", _count) or 0,  # missing before the first inventory
        size=_given(document, "SizeInBytes", _count) or 0,
        inventoried=_maybe(document, "LastInventoryDate", read_date),
    )


def read_upload(document: Mapping[str, Any]) -> UploadDescription:
    """Read an item of ListMultipartUploads, or the head of ListParts."""
    return UploadDescription(
        id=UploadId(_text(document["MultipartUploadId"])),
        vault_arn=_text(document["VaultARN"]),
        part_size=_count(document["PartSizeInBytes"], least=1),
        description=_maybe(document, "ArchiveDescription", _text) or "",
        started=read_date(document["CreationDate"]),
    )


def read_part(document: Mapping[str, Any]) -> UploadedPart:
    """Read a part's start and hash. Its end is ignored: some answers have it one too large."""
    start = document["RangeInBytes"].partition("-")[0]
    return UploadedPart(start=_count(int(start)), tree_hash=_hash(document["SHA256TreeHash"]))


def read_job(document: Mapping[str, Any]) -> JobDescription:
    """Read the answer to DescribeJob, or an item of ListJobs."""
    tier = _maybe(document, "Tier", _text)
    return JobDescription(
        id=JobId(_text(document["JobId"])),
        vault_arn=_text(document["VaultARN"]),
        action=JobAction(document["Action"]),
        status=JobStatus(document["StatusCode"]),
        created=read_date(document["CreationDate"]),
        completed=_maybe(document, "CompletionDate", read_date),
        status_message=_read_text(document.get("StatusMessage")),
        description=_read_text(document.get("JobDescription")),
        sns_topic=_read_text(document.get("SNSTopic")),
        tier=Tier(tier) if tier in set(Tier) else None,  # an inventory job has none, or one of another name
        archive_id=_maybe(document, "ArchiveId", lambda value: ArchiveId(_text(value))),
        archive_size=_given(document, "ArchiveSizeInBytes", _count),
        archive_tree_hash=_maybe(document, "ArchiveSHA256TreeHash", _hash),
        byte_range=_maybe(document, "RetrievalByteRange", ByteRange.parse),  # null for the whole
        tree_hash=_maybe(document, "SHA256TreeHash", _hash),
        inventory_size=_given(document, "InventorySizeInBytes", _count),
        inventory=_given(document, "InventoryRetrievalParameters", _read_inventory),
    )


def read_parts(document: Mapping[str, Any]) -> tuple[UploadDescription, Page[UploadedPart]]:
    """Read the answer to ListParts: the upload, and one page of its parts."""
    return read_upload(document), page_of("Parts", read_part)(document)


def read_notifications(document: Mapping[str, Any]) -> NotificationConfig:
    """Read the answer to GetVaultNotifications."""
    return NotificationConfig(
        sns_topic=_text(document["SNSTopic"]),
        events=frozenset(map(VaultEvent, _given(document, "Events", _list) or ())),
    )


def read_access_policy(document: Mapping[str, Any]) -> str:
    """Read the answer to GetVaultAccessPolicy."""
    return _text(document["Policy"])


def read_tags(document: Mapping[str, Any]) -> dict[str, str]:
    """Read the answer to ListTagsForVault."""
    tags = document["Tags"]
    return {} if tags is None else {key: _text(value) for key, value in tags.items()}


def read_lock(document: Mapping[str, Any]) -> VaultLock:
    """Read the answer to GetVaultLock."""
    return VaultLock(
        policy=_text(document["Policy"]),
        state=LockState(document["State"]),
        created=read_date(document["CreationDate"]),
        expires=_maybe(document, "ExpirationDate", read_date),
    )


def read_retrieval_policy(document: Mapping[str, Any]) -> RetrievalPolicy:
    """Read the answer to GetDataRetrievalPolicy; an empty list of rules limits nothing.

    A document that says nothing about rules is no answer, and never counts as "no limit".
    """
    rules = _list(document["Policy"]["Rules"])
    if not rules:
        return RetrievalPolicy(RetrievalStrategy.NONE)
    return RetrievalPolicy(
        strategy=RetrievalStrategy(_text(rules[0]["Strategy"])),
        bytes_per_hour=_given(rules[0], "BytesPerHour", _count),
    )


def read_capacities(document: Mapping[str, Any]) -> tuple[ProvisionedCapacity, ...]:
    """Read the answer to ListProvisionedCapacity."""
    units = document["ProvisionedCapacityList"]
    return () if units is None else _entries(units, _read_capacity)


def _read_capacity(unit: Mapping[str, Any]) -> ProvisionedCapacity:
    return ProvisionedCapacity(
        id=CapacityId(_text(unit["CapacityId"])),
        started=read_date(unit["StartDate"]),
        expires=read_date(unit["ExpirationDate"]),
    )


def write_retrieval_policy(policy: RetrievalPolicy) -> dict[str, Any]:
    """Return the ``Policy`` of SetDataRetrievalPolicy."""
    rule: dict[str, Any] = {"Strategy": str(policy.strategy)}
    if policy.bytes_per_hour is not None:
        rule["BytesPerHour"] = policy.bytes_per_hour
    return {"Rules": [rule]}


def write_inventory(parameters: InventoryParameters) -> dict[str, str]:
    """Return the ``InventoryRetrievalParameters`` of a job, all of them strings."""
    written = {
        "StartDate": write_date(parameters.start_date) if parameters.start_date else None,
        "EndDate": write_date(parameters.end_date) if parameters.end_date else None,
        "Limit": str(parameters.limit) if parameters.limit is not None else None,
        "Marker": parameters.marker,
    }
    return {name: value for name, value in written.items() if value is not None}


def _read_inventory(document: Mapping[str, Any]) -> InventoryParameters:
    return InventoryParameters(
        format=_maybe(document, "Format", InventoryFormat) or InventoryFormat.JSON,
        start_date=_maybe(document, "StartDate", read_date),
        end_date=_maybe(document, "EndDate", read_date),
        limit=_maybe(document, "Limit", lambda value: _count(int(_text(value)))),  # a string, as every value
        marker=_read_text(document.get("Marker")),
    )


def _text(value: Any) -> str:
    """Return a text that can be kept; any other value would fail later, where nothing tells whose it is."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return without_lone_surrogates(value)


def _count(value: Any, least: int = 0) -> int:
    """Return a number of bytes or archives that a catalog can keep."""
    if type(value) is not int or not least <= value < 2**63:  # True is an int, too
        raise ValueError(f"{value!r} is no size")
    return value


def _list(value: Any) -> list[Any]:
    """Return a list. A text or an object that is empty would be taken for an empty list."""
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _entries(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    """Return the entries of a list, none of them twice."""
    entries = tuple(map(read, _list(value)))
    if len(set(entries)) < len(entries):
        raise ValueError("its list has an entry twice")
    return entries


def _given(document: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> T | None:
    """Return a member that may be missing; any other value is read, also 0, ``False``, ``[]`` and ""."""
    value = document.get(name)
    return None if value is None else read(value)


def _maybe(document: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> T | None:
    """Return a member in the form of a text, which may be missing or empty."""
    return None if document.get(name) == "" else _given(document, name, read)


def _read_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _hash(value: str) -> bytes:
    tree_hash = bytes.fromhex(value)
    if len(tree_hash) != 32:  # of SHA-256; fromhex takes any length
        raise ValueError(f"{value!r} is no tree hash")
    return tree_hash
