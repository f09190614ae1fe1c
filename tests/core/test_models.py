"""The models are frozen values, and their properties follow from their fields."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import UTC, datetime

import pytest

from aioglacier.core import models
from aioglacier.core.models import (
    ArchiveId,
    InventoryParameters,
    JobAction,
    JobDescription,
    JobId,
    JobStatus,
    Page,
)
from aioglacier.core.ranges import ByteRange

MODELS = {
    name: value
    for name, value in vars(models).items()
    if inspect.isclass(value) and dataclasses.is_dataclass(value)
}


def make_job(action: JobAction, **fields: object) -> JobDescription:
    """A job of this action; other fields as given."""
    job = JobDescription(
        id=JobId("j"),
        vault_arn="arn",
        action=action,
        status=JobStatus.IN_PROGRESS,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return dataclasses.replace(job, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_models_are_frozen_and_slotted(model: type) -> None:
    """No model can be changed or grow attributes, so it may be shared between tasks."""
    assert model.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(model)
    assert model.__doc__


@pytest.mark.parametrize(
    ("status", "is_done"),
    [(JobStatus.IN_PROGRESS, False), (JobStatus.SUCCEEDED, True), (JobStatus.FAILED, True)],
)
def test_a_job_is_done_for_good_or_bad(status: JobStatus, is_done: bool) -> None:
    """Failed is done as well."""
    assert make_job(JobAction.INVENTORY_RETRIEVAL, status=status).is_done is is_done


def test_output_size_is_that_of_what_was_asked_for() -> None:
    """The range's bytes, the whole archive's, or the inventory's."""
    archive = make_job(JobAction.ARCHIVE_RETRIEVAL, archive_id=ArchiveId("a"), archive_size=100)
    assert archive.output_size == 100
    assert dataclasses.replace(archive, byte_range=ByteRange(10, 30)).output_size == 20
    inventory = make_job(JobAction.INVENTORY_RETRIEVAL, inventory=InventoryParameters(), inventory_size=7)
    assert inventory.output_size == 7
    assert make_job(JobAction.INVENTORY_RETRIEVAL).output_size is None


def test_a_page_without_marker_is_the_last() -> None:
    """A page holds its items and where the next begins."""
    page = Page(items=(1, 2), marker=None)
    assert (page.items, page.marker) == ((1, 2), None)
