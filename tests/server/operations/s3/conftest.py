"""One local server and one boto3 client for all tests of S3, and a bucket for each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from aioglacier.server import LocalGlacier
from aioglacier.testing import ServedGlacier, serving
from tests.server.conftest import ACCESS_KEY_ID, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Bucket:
    """A bucket, and boto3's client whose calls name it."""

    name: str
    client: Any

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """Return a method of boto3's client with the bucket filled in."""

        def call(**arguments: Any) -> Any:
            return getattr(self.client, operation)(Bucket=self.name, **arguments)

        return call

    def refused(self, operation: str, **arguments: Any) -> tuple[int, str]:
        """Return status and code of the error that the operation must raise."""
        return refused(getattr(self, operation), **arguments)

    def read(self, key: str, **arguments: Any) -> bytes:
        """Return the bytes of an object."""
        data = self.get_object(Key=key, **arguments)["Body"].read()
        assert isinstance(data, bytes)
        return data


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """Return status and code of the error that a call of boto3 must raise."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.fixture(scope="session")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGlacier]:
    """A local server that checks signatures and is as slow as S3; tests move its clock forward."""
    with serving(
        LocalGlacier(
            tmp_path_factory.mktemp("s3"),
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
            is_durable=False,
        )
    ) as served:
        yield served


@pytest.fixture(scope="session")
def client(depot: ServedGlacier) -> Any:
    """boto3's client for ``depot``, with one attempt for each request."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client("s3", config=config, **depot.client_arguments)


@pytest.fixture
def bucket(client: Any) -> Bucket:
    """A new bucket."""
    name = f"b-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return Bucket(name, client)
