"""The connection to Glacier, which an application opens first."""

from __future__ import annotations

import asyncio
import importlib
import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import anyio.to_thread

from aioglacier.client.notices import listening
from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import BucketIsYoursError, ConfigurationError
from aioglacier.core.spending import buying_capacity
from aioglacier.gateway.contract.options import GatewayOptions, Timeouts
from aioglacier.gateway.contract.paging import follow
from aioglacier.gateway.contract.protocols import RawRequest
from aioglacier.recorded.place_context import recording_expenses
from aioglacier.tasks.dropped import OwnerTask, warn_dropped
from aioglacier.transfer.budget.allowance import Allowance, Limits
from aioglacier.transfer.resources import open_resources

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from aioglacier.catalog import Catalog
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.buckets.bucket_context import BucketContext
    from aioglacier.client.notices import JobNotices
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import CapacityId, ProvisionedCapacity, RetrievalPolicy, VaultDescription
    from aioglacier.core.s3.objects import BucketDescription, StorageClass
    from aioglacier.core.spending import Budget
    from aioglacier.gateway.contract.protocols import Answer
    from aioglacier.gateway.http.client_session import Connector, OwnTransport
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.budget.allowance import HashIn
    from aioglacier.transfer.resources import TransferResources

_LOCAL: Final = "local:"


class Services(Protocol):
    """The gateways of a connection, each loaded and opened when it is first used."""

    @property
    def region(self) -> str: ...  # noqa: D102
    @property
    def origin(self) -> str: ...  # noqa: D102
    @property
    def vaults(self) -> Gateway: ...  # noqa: D102
    @property
    def buckets(self) -> S3Gateway: ...  # noqa: D102


class Glacier:
    """An open connection to one account in one region. Made by ``connect()``.

    Many tasks may use it at once: they share its connections, its memory budget and its hash workers.

    Attributes:
        region: The region for which requests are signed.
        origin: Scheme, host and port of every request about vaults.
        catalog: The catalog of the connection; ``None`` without one.
    """

    def __init__(
        self,
        services: Services,
        resources: TransferResources,
        options: GatewayOptions | None = None,
        *,
        catalog: Catalog | None = None,
        endpoint: str | None = None,
        s3_endpoint: str = "",
    ) -> None:
        self.region: Final = services.region
        self.origin: Final = services.origin
        self.catalog: Final = catalog
        self._services = services
        self._resources = resources
        self._options = options or GatewayOptions()
        self._endpoint = _endpoint_of(services) if endpoint is None else endpoint
        self._s3_endpoint = s3_endpoint

    def __repr__(self) -> str:
        return f"<Glacier {self.region} {self.origin}>"

    def vault(self, name: str) -> Vault:
        """Return a vault by its name. Nothing is sent, so it need not exist.

        Raises:
            VaultNameError: No vault can have this name.
        """
        from aioglacier.client.vault import Vault  # noqa: PLC0415  # most programs use one service
        from aioglacier.recorded.vault_context import VaultContext  # noqa: PLC0415

        check_vault_name(name)
        records = self._records_of(name, self._endpoint)
        return Vault(VaultContext(self._gateway, self._resources, name, records))

    async def create_vault(self, name: str) -> Vault:
        """Create a vault. If it exists already, that is no error."""
        vault = self.vault(name)
        await self._gateway.create_vault(name)
        return vault

    def vaults(self) -> AsyncIterator[VaultDescription]:
        """Iterate over all vaults of the account in this region, ordered by name."""
        return follow("ListVaults", lambda marker: self._gateway.list_vaults(marker=marker))

    def bucket(
        self,
        name: str,
        storage_class: StorageClass | str | None = None,
        prefix: str = "",
        *,
        owner: str | None = None,
        requester_pays: bool = False,
    ) -> Bucket:
        """Return an S3 bucket by its name. Nothing is sent, so it need not exist.

        Args:
            name: The bucket's name.
            storage_class: The class of objects that name none themselves.
            prefix: What begins the key of every object.
            owner: The account that must own the bucket; S3 refuses every request if another does.
            requester_pays: Pay for requests to a bucket of somebody else.

        Raises:
            BucketNameError: No bucket can have this name.
            ObjectKeyError: No key can begin with this prefix.
            InvalidPlanError: S3 has no such class, or the owner is no account.
        """
        from aioglacier.client.buckets.bucket import Bucket  # noqa: PLC0415  # most programs use one service

        return Bucket(self._bucket_context(name, owner, requester_pays, prefix, storage_class))

    def place(self, name: str, storage_class: StorageClass | str | None = None) -> Vault | Bucket:
        """Return the vault or the bucket that a text names: ``VAULT``, or ``s3://BUCKET[/PREFIX]``.

        Raises:
            InvalidPlanError: The text names neither.
        """
        from aioglacier.core.place import parse_place  # noqa: PLC0415  # most programs name one kind

        found = parse_place(name)
        if found.prefix is None:
            return self.vault(found.name)
        return self.bucket(found.name, storage_class, found.prefix)

    async def create_bucket(self, name: str, storage_class: StorageClass | str | None = None) -> Bucket:
        """Create a bucket in the connection's region. If you own it already, that is no error.

        Raises:
            BucketExistsError: The name is taken.
        """
        bucket = self.bucket(name, storage_class)
        context = self._bucket_context(name)
        with suppress(BucketIsYoursError):  # as for vaults, a second call does no harm
            await context.gateway.create_bucket(context.ref, region=self.region)
        return bucket

    async def buckets(self) -> AsyncIterator[BucketDescription]:
        """Iterate over all buckets of the account, ordered by name."""
        list_page = self._services.buckets.list_buckets
        async for bucket in follow("ListBuckets", lambda marker: list_page(marker=marker)):
            yield bucket

    def _bucket_context(
        self,
        name: str,
        owner: str | None = None,
        requester_pays: bool = False,
        prefix: str = "",
        storage_class: StorageClass | str | None = None,
    ) -> BucketContext:
        from aioglacier.client.buckets.bucket_context import BucketContext  # noqa: PLC0415
        from aioglacier.core.place import Place  # noqa: PLC0415
        from aioglacier.core.s3.object_checks import check_bucket_name, check_key, check_owner  # noqa: PLC0415
        from aioglacier.core.s3.objects import BucketRef  # noqa: PLC0415
        from aioglacier.recorded.buckets.object_options import check_class  # noqa: PLC0415

        ref = BucketRef(check_bucket_name(name), check_owner(owner), requester_pays)
        if prefix:
            check_key(prefix)
        chosen = check_class(storage_class) if storage_class is not None else None
        records = self._records_of(str(Place(name, prefix)), self._s3_endpoint)
        return BucketContext(self._services.buckets, self._resources, ref, prefix, chosen, records)

    def _records_of(self, place: str, endpoint: str) -> VaultRecords | None:
        if self.catalog is None:
            return None
        # Only a connection with a catalog loads SQLite.
        from aioglacier.catalog import VaultKey  # noqa: PLC0415
        from aioglacier.recorded.vault_records import VaultRecords  # noqa: PLC0415

        return VaultRecords(self.catalog, VaultKey(place, self.region, self._options.account_id, endpoint))

    async def _follow_moved(self) -> None:
        """Let the records of a server that moved follow it, before anything reads them."""
        if self.catalog is None or not (self._endpoint or self._s3_endpoint):
            return
        from aioglacier.catalog import VaultKey  # noqa: PLC0415  # only a connection with a catalog loads it
        from aioglacier.recorded.moved_places import follow_moved  # noqa: PLC0415

        account = VaultKey("", self.region, self._options.account_id, self._endpoint)
        await follow_moved(self.catalog, account, self.vaults, of_buckets=False)
        account = replace(account, endpoint=self._s3_endpoint)
        await follow_moved(self.catalog, account, self.buckets, of_buckets=True)

    @cached_property
    def _gateway(self) -> Gateway:
        """The gateway to the vaults. With a catalog every request passes the records."""
        gateway = self._services.vaults
        if self.catalog is None:
            return gateway
        from aioglacier.recorded.recording_gateway import RecordingGateway  # noqa: PLC0415  # loads SQLite

        return RecordingGateway(gateway, self.catalog, self._options.account_id, self._endpoint)

    async def get_data_retrieval_policy(self) -> RetrievalPolicy:
        """Return the limit on retrievals of the account."""
        return await self._gateway.get_data_retrieval_policy()

    async def set_data_retrieval_policy(self, policy: RetrievalPolicy) -> None:
        """Set the limit on retrievals of the account. Running jobs are not affected."""
        await self._gateway.set_data_retrieval_policy(policy)

    def spending(self, budget: Budget) -> AbstractAsyncContextManager[None]:
        """Count what the block spends on the account itself: Expedited capacity. See ``Vault.spending``."""
        return recording_expenses(budget, self._records_of("", self._endpoint))

    async def purchase_provisioned_capacity(self) -> CapacityId:
        """Buy one unit of Expedited capacity for a month. It costs money at once and is never repeated.

        Raises:
            CostLimitError: It exceeds the limit of a budget. Nothing was bought.
        """
        with buying_capacity():
            return await self._gateway.purchase_provisioned_capacity()

    async def list_provisioned_capacity(self) -> tuple[ProvisionedCapacity, ...]:
        """Return the units of Expedited capacity that the account has bought."""
        return await self._gateway.list_provisioned_capacity()

    @asynccontextmanager
    async def open_notices(self, queue_url: str) -> AsyncIterator[JobNotices]:
        """Listen on an SQS queue that hears of jobs or restores, for ``wait_until_done`` of both.

        The SNS topic of the jobs feeds it, or a bucket's events ``s3:ObjectRestore:Completed`` do. Region and
        credentials are those of the connection. Every message that names a job or a restored object is
        removed from the queue; other messages stay.

        Raises:
            ConfigurationError: The URL, region or profile is wrong.
        """
        queue = await anyio.to_thread.run_sync(importlib.import_module, "aioglacier.gateway.notice_queue")
        # The region may come from a profile.
        options = replace(self._options, region_name=self._options.region_name or self.region)
        async with queue.open_queue(options, queue_url) as opened, listening(opened) as notices:
            yield notices

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send one signed request that has no method here, once; return the answer whatever its status.

        ``path`` begins after the account, as ``vaults/photos``; a leading "/" makes it the whole path.
        """
        return await self._gateway.request(RawRequest(method, path, query or {}, headers or {}, body))


@asynccontextmanager
async def connect(
    *,
    region_name: str | None = None,
    profile_name: str | None = None,
    endpoint_url: str | None = None,
    s3_endpoint_url: str | None = None,
    account_id: str = "-",
    aws_access_key_id: str | None = None,
    aws_secret_access_key: str | None = None,
    aws_session_token: str | None = None,
    proxy: str | None = None,
    catalog: Catalog | AbstractAsyncContextManager[Catalog] | None = None,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    timeouts: Timeouts = Timeouts(),  # noqa: B008  # frozen
    hash_in: HashIn = "auto",
    allow_insecure: bool = False,
    cluster: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connector: Connector | None = None,
) -> AsyncIterator[Glacier]:
    """Open a connection to Glacier. Connections, workers and memory are released when the block ends.

    Arguments that are not given are found as botocore finds them: the environment (``AWS_PROFILE``,
    ``AWS_REGION``, ``AWS_ENDPOINT_URL_GLACIER``, ...), the configuration files, the role of a container or
    an instance.

    Args:
        region_name: For example "eu-west-1".
        profile_name: A profile of the AWS configuration files.
        endpoint_url: An endpoint of Glacier's other than AWS's own. "local:DIR" opens a local Glacier on the
            folder DIR, in this process, without account or credentials, which speaks S3 as well.
        s3_endpoint_url: An endpoint of S3's other than AWS's own, for buckets.
        account_id: Twelve digits; "-" is the account that the credentials belong to.
        aws_access_key_id: Goes with ``aws_secret_access_key`` and, if temporary, ``aws_session_token``.
        aws_secret_access_key: See above.
        aws_session_token: See above.
        proxy: The URL of an HTTP proxy, with user and password if it requires them.
        catalog: An open catalog. Every request that changes something is recorded there before it is sent,
            and its answer after. If a record cannot be made, a ``CatalogError`` ends the work. The caller
            closes the catalog. ``Catalog.open()`` without ``async with`` is opened once the credentials are
            found, so a connection without them makes no file, and is closed with the connection.
        limits: Memory, concurrency and hash workers of all transfers together.
        timeouts: How long to wait for the service.
        hash_in: "auto" for worker processes where they pay (more than 256 MiB to hash, or a part above
            16 MiB) and threads elsewhere; "processes" for every part above 1 MiB; "threads" for no process.
            Processes need Linux; threads hash on other systems.
        allow_insecure: Allow plain http to another host. Anyone on the network path can then read and
            change the archives.
        cluster: The address of a Dask scheduler, as "tcp://HOST:8786". Its workers send and fetch the parts
            of files that they see under the same path, move archives to buckets and read folders that are
            verified, with credentials that they find in their own environment.
        ssl_context: Verifies the service and may hold a client certificate; by default one as botocore makes
            it. The processes of ``cluster`` and ``Limits(processes=...)`` cannot have it.
        connector: An ``aiohttp.BaseConnector`` that makes all connections, for example through a SOCKS
            proxy or with a resolver of its own. It stays open for its owner. Its ``limit`` should be 0,
            because transfers limit themselves, and its sockets buffer as it likes, so
            ``Limits(bandwidth=...)`` holds less exactly.

    Raises:
        ClusterUnreachableError: There is no scheduler with workers at the address now.
        ClusterError: Dask is not installed, or the workers differ from this process.
        ConfigurationError: Region, endpoint, profile or a limit is missing or wrong.
        NoCredentialsError: No credentials were found.
        ImportError: A package that "local:DIR" needs is not installed.
    """
    _require_asyncio()
    if isinstance(catalog, (str, os.PathLike)):
        raise ConfigurationError(
            f"catalog is {os.fspath(catalog)!r}; it must be a catalog: Catalog.open({os.fspath(catalog)!r})"
        )
    allowance = Allowance.of(limits, hash_in)  # before anything is opened
    own = _own_transport(ssl_context, connector, is_spread=(cluster or limits.processes or 1) != 1)
    endpoint = None
    async with AsyncExitStack() as stack:
        if endpoint_url is not None and endpoint_url.startswith(_LOCAL):
            folder = endpoint_url.removeprefix(_LOCAL)
            # The port of a local Glacier changes from run to run, so its folder names it in the catalog.
            endpoint = _LOCAL + await anyio.to_thread.run_sync(os.path.realpath, folder)
            local = importlib.import_module("aioglacier.client.local_endpoint")
            endpoint_url = await stack.enter_async_context(local.serve(folder))
            s3_endpoint_url = s3_endpoint_url or endpoint_url
            region_name = region_name or local.REGION
            aws_access_key_id, aws_secret_access_key = local.KEYS
            aws_session_token = None  # one from the environment does not belong to these keys
        options = GatewayOptions(
            region_name=region_name,
            profile_name=profile_name,
            endpoint_url=endpoint_url,
            account_id=account_id,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            proxy=proxy,
            max_connections=allowance.concurrency,  # as many as files may be open for
            bandwidth=limits.bandwidth,
            shares_bandwidth=limits.shares_bandwidth,
            timeouts=timeouts,
            allow_insecure=allow_insecure,
        )
        # aiohttp takes a fifth of a second to load, so a thread loads it and the event loop goes on.
        retried = await anyio.to_thread.run_sync(importlib.import_module, "aioglacier.gateway.retried")
        s3_options = replace(options, endpoint_url=s3_endpoint_url)
        services = await retried.find_services(options, s3_options, stack, own)
        if isinstance(catalog, AbstractAsyncContextManager):
            catalog = await stack.enter_async_context(catalog)
        resources = await stack.enter_async_context(open_resources(limits, hash_in, services.congestion))
        s3_endpoint = endpoint or ""
        is_spread = cluster is not None or (limits.processes or 1) > 1
        if (catalog is not None or is_spread) and endpoint is None:
            s3_endpoint = await retried.find_s3_endpoint(s3_options)
        if is_spread:
            place = replace(options, region_name=services.region, endpoint_url=services.origin)
            runners = await anyio.to_thread.run_sync(
                importlib.import_module, "aioglacier.cluster.dask_runner"
            )
            opening = runners.open_runner(
                place, limits, s3_endpoint_url or s3_endpoint, cluster, is_local=endpoint is not None
            )
            resources = replace(resources, runner=await stack.enter_async_context(opening))
        glacier = Glacier(
            services, resources, options, catalog=catalog, endpoint=endpoint, s3_endpoint=s3_endpoint
        )
        await glacier._follow_moved()  # noqa: SLF001  # before anything reads the records
        owner = OwnerTask()  # another task cannot close what this one opened
        try:
            yield glacier
        except BaseException as error:
            if owner.has_dropped(type(error)):
                warn_dropped(repr(glacier), source=glacier)
            raise


def _own_transport(
    ssl_context: ssl.SSLContext | None, connector: Connector | None, *, is_spread: bool
) -> OwnTransport:
    if ssl_context is not None and connector is not None:
        raise ConfigurationError("ssl_context is for connections made here; give it to the connector instead")
    own = ssl_context or connector
    if own is not None and is_spread:
        raise ConfigurationError(
            "ssl_context and connector stay in this process, and other processes would send without them; "
            "leave out cluster and Limits(processes=...)"
        )
    return own


def _endpoint_of(services: Services) -> str:
    """Return the endpoint by which the catalog tells services apart; "" for AWS's own."""
    return "" if services.origin == f"https://glacier.{services.region}.amazonaws.com" else services.origin


def _require_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError("aioglacier runs on asyncio or uvloop only, because aiohttp does") from None
