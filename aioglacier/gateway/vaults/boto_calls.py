"""All that is done with aiobotocore: a session, a client, and the small calls that it builds and parses.

botocore's ``before-send`` event is where another sender takes over: it is given an unsigned request and gives
an answer. So what every call meets, redirects, deadlines, refusals, is the same as for bodies.

Loaded in a thread, and only once it is needed: see ``botocore.py``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import UNSIGNED, xform_name
from botocore.exceptions import (
    BotoCoreError,
    ConfigNotFound,
    NoCredentialsError as BotoNoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from aioglacier.core.errors import ConfigurationError, InvalidPlanError, NoCredentialsError
from aioglacier.gateway.contract.options import USER_AGENT
from aioglacier.gateway.http.request import Request
from aioglacier.gateway.vaults.answers import not_as_promised
from aioglacier.gateway.vaults.model_files import models_at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from botocore.awsrequest import AWSPreparedRequest

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.http.wire import Wire


def new_session(options: GatewayOptions) -> AioSession:
    """A session with its models in cache. Runs in a worker thread, before anyone else has the session.

    Raises:
        ConfigurationError: There is no such profile, or the files cannot be read.
    """
    session = AioSession(profile=options.profile_name)
    try:
        session.get_scoped_config()
    except (ProfileNotFound, ConfigNotFound, BotoCoreError) as error:
        raise ConfigurationError(f"{error}; is the profile name right?") from error
    if options.aws_access_key_id is not None and options.aws_secret_access_key is not None:
        session.set_credentials(
            options.aws_access_key_id, options.aws_secret_access_key, options.aws_session_token
        )
    session.register_component("data_loader", models_at(session.get_config_variable("data_path")))
    return session


async def enter_client(session: AioSession, options: GatewayOptions, stack: AsyncExitStack) -> Any:
    """A client that builds and parses and never signs or sends: the wire does that.

    Raises:
        ConfigurationError: Region or endpoint are missing or make no sense.
        NoCredentialsError: There are none.
    """
    config = AioConfig(
        signature_version=UNSIGNED,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=USER_AGENT,
    )
    region = options.region_name or os.environ.get("AWS_REGION") or None
    try:
        return await stack.enter_async_context(
            session.create_client(
                "glacier", region_name=region, endpoint_url=options.endpoint_url, config=config
            )
        )
    except NoRegionError as error:
        raise ConfigurationError(
            "no region was found; looked at: region_name, the environment (AWS_REGION, AWS_DEFAULT_REGION) "
            f"and the profile {session.profile or 'default'} of the AWS configuration files"
        ) from error
    except (BotoNoCredentialsError, PartialCredentialsError) as error:
        raise NoCredentialsError(str(error)) from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"region or endpoint make no sense: {error}") from error


class BotoCalls:
    """Calls of one client."""

    def __init__(self, client: Any, wire: Wire, options: GatewayOptions) -> None:
        self._client = client
        self._wire = wire
        self._options = options
        client.meta.events.register("before-send.glacier", self._send)

    async def call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do one operation and return its result as botocore has it."""
        method = getattr(self._client, xform_name(operation))
        try:
            document: Mapping[str, Any] = await method(accountId=self._options.account_id, **parameters)
        except ParamValidationError as error:
            raise InvalidPlanError(f"{operation}: {error}") from error
        except (ResponseParserError, RecursionError) as error:  # too deep
            raise not_as_promised(operation, error) from error
        except BotoCoreError as error:
            raise ConfigurationError(f"{operation}: {error}") from error
        return document

    async def _send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AioAWSResponse:
        """Take over from botocore, as ``before-send`` allows."""
        answer = await self._wire.exchange(
            Request(
                operation=event_name.rpartition(".")[2],
                method=request.method,
                url=request.url,
                headers={name: _text(value) for name, value in request.headers.items()},
                body=memoryview(cast("bytes", request.body or b"")),
                first_byte_timeout_seconds=self._options.timeouts.first_byte,
            )
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return AioAWSResponse(request.url, answer.status, cast("Any", headers), _Body(answer.body))


def _text(value: str | bytes) -> str:
    """A header's value: botocore has some as bytes."""
    return value.decode() if isinstance(value, bytes) else value


class _Body:
    """An answer's body in the form in which aiobotocore reads one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body
