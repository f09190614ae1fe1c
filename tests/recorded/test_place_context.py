"""Work on a place that does not depend on its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.core.errors import ConfigurationError, UploadNotFoundError
from aioglacier.core.limits import MIB
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_upload_is_aborted_in_both_kinds_of_places(tmp_path: Path) -> None:
    """One that is gone is no error, without a catalog too."""
    async with (
        LocalGlacier(tmp_path / "glacier", is_durable=False) as server,
        aioglacier.connect(
            endpoint_url=server.url,
            s3_endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            hash_in="threads",
            limits=aioglacier.Limits(memory=16 * MIB),
        ) as glacier,
    ):
        vault, bucket = await glacier.create_vault("photos"), await glacier.create_bucket("museum")
        gateway = vault.context.gateway
        upload_id = await gateway.initiate_multipart_upload("photos", part_size=MIB)
        for _ in range(2):
            await vault.context.abort_upload(upload_id)
            await bucket.context.abort_upload(upload_id)  # which the bucket never had
        with pytest.raises(UploadNotFoundError):
            await gateway.list_parts("photos", upload_id)
        assert vault.context.part_size(64 * MIB) == 8 * MIB  # of which two fit
        with pytest.raises(ConfigurationError, match="catalog"):
            bucket.context.require_records()
