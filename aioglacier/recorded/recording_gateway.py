"""A gateway that records the service's answers about vaults, archives and jobs, for every caller.

It holds the connection's gateway, so nothing above it has to think of the record:

- A deletion is on record before it is asked for, and after it.
- An archive that the service does not know, one that is older than its vault, and every archive of a vault
  that is not there, are ``SUSPECT`` from then on. What rested on them counts no more, and is archived again.
  An inventory that lists such an archive later ends the doubt.
- The state of a job, and the account that an ARN names, are recorded as they pass by.

Only a connection with a catalog imports this module, because it takes long to load.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.catalog import VaultKey
from aioglacier.core.errors import (
    AccessDeniedError,
    ArchiveNotFoundError,
    CatalogError,
    CatalogMismatchError,
    JobNotFoundError,
    VaultNotFoundError,
)
from aioglacier.core.models import JobDescription, Page, UploadDescription, VaultDescription
from aioglacier.gateway.vaults.gateway import Gateway
from aioglacier.recorded.vault_records import VaultRecords, account_in

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aioglacier.catalog import Catalog
    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.protocols import Answer, Output, RawRequest

T = TypeVar("T")

_log: Final = logging.getLogger("aioglacier.recorded.recording_gateway")

#: Operations before which a vault is not asked for: it need not be there, or they ask for it themselves.
_NEED_NO_VAULT: Final = frozenset({"CreateVault", "DescribeVault", "DeleteVault"})


class RecordingGateway(Gateway):
    """Passes every operation on, and records facts from its answer."""

    def __init__(self, gateway: Gateway, catalog: Catalog, account_id: str, endpoint: str) -> None:
        self.region = gateway.region
        self.origin = gateway.origin
        self._gateway = gateway
        self._catalog = catalog
        self._account_id = account_id
        self._endpoint = endpoint
        self._met: set[str] = set()
        self._accounts: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"<RecordingGateway over {self._gateway!r}>"

    def records_of(self, vault: str) -> VaultRecords:
        """Return the records of a vault."""
        key = VaultKey(vault, self.region, self._account_id, self._endpoint)
        return VaultRecords(self._catalog, key)

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Perform one operation, and record facts from its answer."""
        vault = arguments.get("vault")
        if vault is None:
            answer = await self._gateway.perform(operation, arguments)
        else:
            records = self.records_of(vault)
            answer = await self._perform(records, operation, arguments)
        if isinstance(answer, VaultDescription):
            await self._note_vault(answer)
        return answer

    async def _perform(self, records: VaultRecords, operation: Operation[Any], arguments: Arguments) -> Any:
        async def perform() -> Any:
            return await self._gateway.perform(operation, arguments)

        try:
            if operation.name not in _NEED_NO_VAULT:
                await self._meet(records.key)
            if operation.name == "DeleteArchive":
                return await records.delete(arguments["archive_id"], perform)
            answer = await perform()
        except ArchiveNotFoundError as error:
            archives = self._catalog.archives
            await archives.doubt(records.key, arguments["archive_id"], missed=error.answered)
            raise
        except JobNotFoundError:
            await records.note_job_gone(arguments["job_id"])
            raise
        except VaultNotFoundError as error:
            if await self._is_own_account(records.key):
                await self._catalog.archives.doubt(records.key, missed=error.answered)
            raise
        match answer:
            case JobDescription() if answer.is_done:
                await records.note_job(answer)
            case (UploadDescription(vault_arn=arn), Page()):
                await self._confirm_account(records, arn)
            case None if operation.name == "DeleteVault":
                await self._catalog.archives.doubt(records.key)
            case _:
                pass
        return answer

    def open_output(
        self, operation: Operation[T], arguments: Arguments
    ) -> AbstractAsyncContextManager[Output[T]]:
        """See ``Performer``."""
        return self._gateway.open_output(operation, arguments)

    async def request(self, raw: RawRequest) -> Answer:
        """See ``Gateway``."""
        return await self._gateway.request(raw)

    async def _meet(self, key: VaultKey) -> None:
        """Ask for a vault at an endpoint of its own, so that its records follow it where it moves."""
        if key.vault in self._met or not key.endpoint:
            return
        _, created = await self._catalog.facts_of(key)
        if created is None:
            with suppress(AccessDeniedError):  # a policy may allow the operation, and not this
                await self._note_vault(await self._gateway.describe_vault(key.vault))
        self._met.add(key.vault)

    async def _note_vault(self, vault: VaultDescription) -> None:
        key = self.records_of(vault.name).key
        try:
            count = await self._catalog.archives.note_vault(key, account_in(vault.arn), vault.created)
        except CatalogMismatchError:
            raise
        except CatalogError as error:  # the answer is right all the same
            _log.warning("what the service says of vault %s could not be recorded: %s", vault.name, error)
            return
        if count:
            _log.warning(
                "vault %r was made on %s UTC, later than %d of its archives on record, which are gone; what "
                "was in them is archived again",
                vault.name,
                f"{vault.created:%Y-%m-%d %H:%M}",
                count,
                extra={"is_notice": True},
            )

    async def _confirm_account(self, records: VaultRecords, arn: str) -> None:
        if (records.key.vault, arn) not in self._accounts:
            await records.confirm_account(arn)
            self._accounts.add((records.key.vault, arn))

    async def _is_own_account(self, key: VaultKey) -> bool:
        """Return whether the credentials are of the account that a vault on record is in."""
        if key.account_id != "-" or key.endpoint:
            return True
        recorded, _ = await self._catalog.facts_of(key)
        try:
            page = await self._gateway.list_vaults(limit=1)
        except AccessDeniedError:
            return False
        return any(account_in(vault.arn) == recorded for vault in page.items)
