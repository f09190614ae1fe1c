"""A local Glacier in a thread of its own, with an event loop of its own, for tests in any style."""

from __future__ import annotations

import json
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from anyio.from_thread import start_blocking_portal

from aioglacier.client.glacier import connect
from aioglacier.core.limits import MIB
from aioglacier.transfer.budget.allowance import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime, timedelta

    from anyio.from_thread import BlockingPortal

    from aioglacier.client.glacier import Glacier
    from aioglacier.server import Fault, LocalGlacier
    from aioglacier.transfer.budget.allowance import HashIn

#: AWS's published example pair, which no account has.
ACCESS_KEY_ID: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105  # published


class ServedGlacier:
    """A local Glacier that runs in another thread of this process. Made by ``serving()``.

    Its methods block, and may be called from any thread, also inside async tests: the server has a loop of
    its own and goes on.

    Attributes:
        url: The URL for clients, an ``endpoint_url``.
        region: The region that requests are signed for, and part of ARNs.
        account_id: The account in ARNs; clients may write "-" instead.
        access_key_id: The access key of the pair to sign with; any pair if the server checks no signatures.
        secret_access_key: The secret key of that pair.
    """

    def __init__(self, server: LocalGlacier, portal: BlockingPortal) -> None:
        self._server = server
        self._portal = portal
        settings = server.settings
        self.url: Final = server.url
        self.region: Final = settings.region
        self.account_id: Final = settings.account_id
        self.access_key_id, self.secret_access_key = ACCESS_KEY_ID, SECRET_ACCESS_KEY  # if none are checked
        for pair in settings.credentials[:1]:
            self.access_key_id, self.secret_access_key = pair.access_key_id, pair.secret_access_key

    def __repr__(self) -> str:
        return f"<ServedGlacier {self.url}>"

    @property
    def client_arguments(self) -> dict[str, str]:
        """The keywords with which boto3, aiobotocore and ``aioglacier.connect()`` find it.

        ::

            boto3.client("glacier", **local_glacier.client_arguments)
            boto3.client("s3", **local_glacier.client_arguments)
        """
        return {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same as environment variables, for the AWS CLI, other SDKs and programs that are tested."""
        return {
            "AWS_ENDPOINT_URL_GLACIER": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def now(self) -> datetime:
        """The time of its virtual clock, aware, in UTC."""
        return self._server.clock.now()

    def advance(self, by: float | timedelta) -> None:
        """Move the virtual clock by seconds or a ``timedelta``; on return due jobs have ended."""
        self._portal.call(self._server.advance, by)

    def run_inventory(self) -> None:
        """Take the inventory of every vault that changed, now."""
        self._portal.call(self._server.run_inventory)

    def reset(self) -> None:
        """Remove everything that was stored, and all faults. The clock stays where it is."""
        self._portal.call(self._server.reset)

    def add_faults(self, *faults: Fault) -> None:
        """Add faults; see ``aioglacier.server.Fault``."""
        self._portal.call(self._server.faults.add, *faults)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._portal.call(self._server.faults.clear)

    def status(self) -> dict[str, Any]:
        """Return the current state: what vaults and buckets hold, and how often faults met and struck."""
        with urllib.request.urlopen(f"{self.url}/_local/status", timeout=30) as answer:  # noqa: S310  # ours
            status: dict[str, Any] = json.load(answer)
        return status

    def connect(
        self,
        *,
        hash_in: HashIn = "threads",
        limits: Limits = Limits(memory=64 * MIB),  # noqa: B008  # frozen
    ) -> AbstractAsyncContextManager[Glacier]:
        """Connect to it, as ``aioglacier.connect()`` does; use as ``async with``.

        Hashing in threads spares each test the start of worker processes.
        """
        return connect(
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            hash_in=hash_in,
            limits=limits,
        )


@contextmanager
def serving(server: LocalGlacier) -> Iterator[ServedGlacier]:
    """Open a local Glacier in a new thread, and close it at the end of the block.

    ::

        with serving(LocalGlacier("glacier", job_delay=0)) as local_glacier:
            client = boto3.client("glacier", **local_glacier.client_arguments)

    Raises:
        StartupError: The directory cannot be used or is in use, or the address cannot be listened on.
    """
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):  # a loop of its own
        yield ServedGlacier(server, portal)
