"""The public signatures: names, order, what is keyword-only, and defaults."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

import aioglacier
from aioglacier import (
    ArchiveReader,
    ArchiveWriter,
    Bucket,
    BucketUpload,
    Glacier,
    Job,
    Limits,
    Restore,
    Timeouts,
    Upload,
    Vault,
)
from aioglacier.client.buckets.write_options import WriteOptions
from aioglacier.client.glacier import connect

if TYPE_CHECKING:
    from collections.abc import Callable

#: The keywords of everything that writes to a bucket.
_OBJECT = [
    "storage_class", "metadata", "tags", "description", "part_size", "expected_size", "keep_unfinished",
    "overwrite", "checksum", "settings",
]  # fmt: skip
_UPLOAD = "description=None, part_size=None, expected_size=None, keep_unfinished=False"

SIGNATURES: dict[Callable[..., Any], str] = {
    connect: "*, region_name=None, profile_name=None, endpoint_url=None, s3_endpoint_url=None, "
    "account_id='-', aws_access_key_id=None, aws_secret_access_key=None, aws_session_token=None, proxy=None, "
    "catalog=None, "
    "limits=Limits(), timeouts=Timeouts(), hash_in='auto', allow_insecure=False, cluster=None, "
    "ssl_context=None, connector=None",
    Glacier.vault: "name",
    Glacier.create_vault: "name",
    Glacier.vaults: "",
    Vault.describe: "",
    Vault.delete: "",
    Vault.open_writer: f"*, {_UPLOAD}",
    Vault.upload: f"source, *, {_UPLOAD}",
    Vault.prepare_upload: f"source, *, {_UPLOAD}, recorded_source=None",
    Vault.uploads: "",
    Vault.resume: "upload_id, source",
    Vault.delete_archive: "archive_id",
    Vault.retrieve: "archive_id, *, tier=Standard, byte_range=None, sns_topic=None, description=None, "
    "again=False",
    Vault.retrieve_inventory: "*, output_format=JSON, start_date=None, end_date=None, limit=None, "
    "marker=None, sns_topic=None, description=None, again=False",
    Vault.job: "job_id",
    Vault.jobs: "*, completed=None, status=None",
    Upload.parts: "",
    Upload.abort: "",
    Job.describe: "",
    Job.wait_until_done: "*, timeout_seconds=129600.0, notices=None",
    Job.open_reader: "byte_range=None, *, unverified=False, raw=False",
    Job.download: "path, *, overwrite=False, unverified=False",
    Job.prepare_download: "path, *, overwrite=False, unverified=False",
    Job.inventory: "",
    Glacier.bucket: "name, storage_class=None, prefix='', *, owner=None, requester_pays=False",
    Glacier.create_bucket: "name, storage_class=None",
    Glacier.buckets: "",
    Bucket.open_writer: "key, **options",
    Bucket.upload: "source, *, key, **options",
    Bucket.prepare_upload: "source, *, key, recorded_source=None, **options",
    Bucket.uploads: "prefix=''",
    Bucket.resume: "upload_id, source, *, key=None, part_size=None, overwrite=False",
    Bucket.objects: "prefix=''",
    Bucket.head: "key",
    Bucket.delete: "key",
    Bucket.retrieve: "key, *, tier=Standard, days=1, byte_range=None, again=False",
    BucketUpload.parts: "",
    BucketUpload.abort: "",
    Restore.describe: "",
    Restore.wait_until_done: "*, timeout_seconds=345600.0, notices=None",
    Restore.open_reader: "byte_range=None, *, unverified=False, raw=False",
    Restore.download: "path, *, overwrite=False, unverified=False",
    Restore.prepare_download: "path, *, overwrite=False, unverified=False",
    ArchiveWriter.write: "data",
    ArchiveWriter.writelines: "blocks",
    ArchiveWriter.complete: "",
    ArchiveWriter.abort: "",
    ArchiveWriter.snapshot: "",
    ArchiveReader.read: "size=-1",
}

_DEFAULTS = {repr(Limits()): "Limits()", repr(Timeouts()): "Timeouts()"}


def shown(function: Callable[..., Any]) -> str:
    """Return a signature without ``self`` and types, with named defaults."""
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    words, is_keyword_only = [], False
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not is_keyword_only:
            words.append("*")
            is_keyword_only = True
        if each.kind is each.VAR_KEYWORD:
            words.append(f"**{each.name}")
            continue
        default = str(each.default) if not isinstance(each.default, str) else None
        if each.default is each.empty:
            words.append(each.name)
        elif isinstance(each.default, str) and type(each.default) is str:
            words.append(f"{each.name}={each.default!r}")
        else:
            text = default or str(each.default)
            words.append(f"{each.name}={_DEFAULTS.get(text, text)}")
    return ", ".join(words)


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda each: each.__qualname__)
def test_a_signature_is_the_published_one(function: Callable[..., Any]) -> None:
    """Programs depend on names, order and defaults, so a change here is a change for users."""
    assert shown(function) == SIGNATURES[function]


def test_the_keywords_of_a_bucket_are_the_published_ones() -> None:
    """All that write to it share them."""
    assert list(WriteOptions.__annotations__) == _OBJECT


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Limits, {"memory", "concurrency", "bandwidth", "hash_workers", "processes", "shares_bandwidth"}),
        (Timeouts, {"connect", "first_byte", "stall", "give_up"}),
    ],
    ids=["Limits", "Timeouts"],
)
def test_settings_of_a_connection_are_frozen_values(kind: type[Any], names: set[str]) -> None:
    """Limits and timeouts are values, so they can be shared, compared and used as defaults."""
    assert {field.name for field in fields(kind)} == names
    assert kind() == kind()
    with pytest.raises(AttributeError):
        setattr(kind(), next(iter(names)), 1)


def test_a_writer_shows_what_programs_ask_for() -> None:
    """The archive, the upload's id and the position are properties; none is a method."""
    assert all(
        isinstance(getattr(ArchiveWriter, name), property) for name in ("archive", "upload_id", "position")
    )


def test_every_class_of_the_interface_is_exported() -> None:
    """A program can name every class it gets from a public method."""
    for function in SIGNATURES:
        name = function.__qualname__.partition(".")[0]
        assert getattr(aioglacier, name).__name__ == name
