"""The table agrees with the service's own model, in every request and in what is read from every answer."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest

from aioglacier.core.errors import (
    ArchiveNotFoundError,
    JobNotFoundError,
    ResourceNotFoundError,
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.core.models import (
    InventoryFormat,
    InventoryParameters,
    JobStatus,
    NotificationConfig,
    RetrievalPolicy,
    RetrievalStrategy,
    Tier,
    VaultEvent,
)
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.vaults.gateway import GET_JOB_OUTPUT, Gateway

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

    from aioglacier.gateway.contract.operation import Operation

#: The rows by the names of their methods.
ROWS: dict[str, Operation[Any]] = {
    name: method.row for name, method in inspect.getmembers(Gateway) if hasattr(method, "row")
} | {"get_job_output": GET_JOB_OUTPUT}

#: Every argument that a method takes, so that each row writes all that it can.
ARGUMENTS: dict[str, Any] = {
    "vault": "photos",
    "archive_id": "A",
    "upload_id": "U",
    "job_id": "J",
    "lock_id": "L",
    "limit": 7,
    "marker": "m",
    "part_size": 2**20,
    "description": "d",
    "size": 1,
    "tree_hash": bytes(32),
    "hashes": hash_part(b"november"),
    "body": memoryview(b"november"),
    "start": 0,
    "config": NotificationConfig("arn", frozenset(VaultEvent)),
    "tags": {"a": "b"},
    "keys": ["a"],
    "completed": True,
    "status": JobStatus.FAILED,
    "tier": Tier.BULK,
    "byte_range": ByteRange(0, 2**20),
    "sns_topic": "arn",
    "parameters": InventoryParameters(
        InventoryFormat.CSV, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), 9, "m"
    ),
}

#: Members of the model that no row writes, and why.
UNWRITTEN = {
    "InitiateJob": {"SelectParameters", "OutputLocation"}  # jobs of a kind that is no longer offered
}


@pytest.fixture(scope="session")
def model() -> ServiceModel:
    """The service's model as botocore has it."""
    return botocore.session.get_session().get_service_model("glacier")


def arguments_of(row: Operation[Any]) -> dict[str, Any]:
    """Return arguments for a row. Two operations call a policy what they set."""
    if row.name == "SetDataRetrievalPolicy":
        return {**ARGUMENTS, "policy": RetrievalPolicy(RetrievalStrategy.BYTES_PER_HOUR, 5)}
    return {**ARGUMENTS, "policy": "{}"}


def members(shape: Any, location: str | None) -> dict[str, str]:
    """Return the members of a shape at a location, by the name on the wire."""
    if shape is None:
        return {}
    return {
        member.serialization.get("name", name): name
        for name, member in shape.members.items()
        if member.serialization.get("location") == location
    }


def test_every_operation_has_a_row(model: ServiceModel) -> None:
    """33 operations; one of them has two methods."""
    assert len(model.operation_names) == 33
    assert sorted({row.name for row in ROWS.values()}) == sorted(model.operation_names)
    assert len(ROWS) == 34


@pytest.mark.parametrize("method", ROWS)
def test_a_row_asks_as_the_model_does(model: ServiceModel, method: str) -> None:
    """The HTTP method, the path with its identifiers, the query and the headers are the model's."""
    row = ROWS[method]
    operation: OperationModel = model.operation_model(row.name)
    arguments = arguments_of(row)
    assert row.method == operation.http["method"]
    ours, theirs = urlsplit(row.path), urlsplit(operation.http["requestUri"])
    blank = re.compile(r"\{[^}]*\}")
    assert "/{}/" + blank.sub("{}", ours.path) == blank.sub("{}", theirs.path)
    assert parse_qs(ours.query) == parse_qs(theirs.query)
    assert set(row.query) == set(members(operation.input_shape, "querystring"))
    headers = set(members(operation.input_shape, "header"))
    assert {*row.headers} - {"x-amz-content-sha256"} == headers
    written = {name: write(arguments) for name, write in {**row.query, **row.headers}.items()}
    assert all(isinstance(value, str) and value for value in written.values())


def document_of(row: Operation[Any]) -> dict[str, Any]:
    """Return the document that a row writes, empty if it writes none."""
    return dict(json.loads(row.document(arguments_of(row)))) if row.document else {}


@pytest.mark.parametrize("method", [name for name, row in ROWS.items() if row.largest_body is None])
def test_a_row_writes_the_document_of_the_model(model: ServiceModel, method: str) -> None:
    """Each member of the body is one that the model knows, of its type, and none is forgotten."""
    row = ROWS[method]
    shape: Any = model.operation_model(row.name).input_shape
    payload = shape.serialization.get("payload") if shape else None
    body: Any = shape.members[payload] if shape and payload else None
    names = set(body.members) if body is not None else set(members(shape, None))
    document = document_of(row)
    if row.name == "InitiateJob":
        both = (document_of(ROWS[f"initiate_{kind}_retrieval"]) for kind in ("archive", "inventory"))
        names -= {name for each in both for name in each} - {*document}
    assert set(document) == names - UNWRITTEN.get(row.name, set())
    known = body.members if body is not None else (shape.members if shape else {})
    for name, value in document.items():
        assert_fits(known[name], value)


def assert_fits(shape: Any, value: Any) -> None:
    """A value has the type of the model, and so have all in it."""
    match shape.type_name:
        case "structure":
            assert set(value) <= set(shape.members)
            for name, member in value.items():
                assert_fits(shape.members[name], member)
        case "map":
            assert all(isinstance(each, str) for pair in value.items() for each in pair)
        case "list":
            for member in value:
                assert_fits(shape.member, member)
        case "long":
            assert isinstance(value, int)
        case kind:
            assert kind == "string"
            assert isinstance(value, str)
            assert not shape.enum or value in shape.enum


@pytest.mark.parametrize(
    "method", [name for name, row in ROWS.items() if row.name.startswith(("Initiate", "Purchase"))]
)
def test_ids_are_read_from_the_headers_of_the_model(model: ServiceModel, method: str) -> None:
    """The id of a new job, upload or lock is in the header that the model names."""
    row = ROWS[method]
    headers = members(model.operation_model(row.name).output_shape, "header")
    named = [name for name in headers if name.endswith("-id")]
    answer: Any = type("Answer", (), {"headers": dict.fromkeys(named, "ID"), "body": b""})
    assert len(named) == 1
    assert row.reads(answer, {}) == "ID"


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("describe_job", JobNotFoundError),
        ("get_job_output", JobNotFoundError),
        ("upload_multipart_part", UploadNotFoundError),
        ("complete_multipart_upload", UploadNotFoundError),
        ("abort_multipart_upload", UploadNotFoundError),
        ("list_parts", UploadNotFoundError),
        ("delete_archive", ArchiveNotFoundError),
        ("upload_archive", VaultNotFoundError),
        ("get_vault_notifications", ResourceNotFoundError),
        ("get_vault_lock", ResourceNotFoundError),
        ("initiate_archive_retrieval", ResourceNotFoundError),
    ],
)
def test_a_row_names_what_does_not_exist(method: str, kind: type[ResourceNotFoundError]) -> None:
    """A 404 whose message is unknown means the last thing in the path, or anything in it."""
    assert ROWS[method].missing is kind
