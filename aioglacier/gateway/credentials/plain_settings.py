"""Settings that are read without botocore.

Loading botocore and letting it find keys, region and endpoint takes most of the CPU time of a short upload.
In most cases they are plain: keys that were given or stand in the environment or the credentials file, a
region, and AWS's own endpoint or a named one. So these are read here, and only these: every variable
``AWS_...``, every key of the default profile and every region must be on a list below, or botocore is asked,
with its own precedence and errors. Tests compare the two.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import InvalidCredentialsError
from aioglacier.gateway.contract.key_source import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.gateway.contract.options import GatewayOptions

#: Variables that are read here or do not matter here.
_KNOWN_VARIABLES: Final = frozenset({
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_EC2_METADATA_DISABLED",
    "AWS_DEFAULT_OUTPUT", "AWS_PAGER", "AWS_CLI_AUTO_PROMPT", "AWS_ENDPOINT_URL_GLACIER",
    "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL",
})  # fmt: skip

#: Keys of the default profile that are read here or do not matter here.
_KNOWN_KEYS: Final = frozenset({
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "output", "cli_pager",
    "cli_auto_prompt", "cli_history", "cli_binary_format", "cli_timestamp_format",
})  # fmt: skip

#: The regions of the partition "aws", present and future; other partitions have other domains.
_REGION: Final = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]{4,12}-[0-9]{1,2}")

_LABEL: Final = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_ENDPOINT: Final = re.compile(rf"https?://{_LABEL}(\.{_LABEL}){{0,3}}(:[0-9]{{1,4}}|:[1-5][0-9]{{4}})?")


#: The names of the three keys where a source has names for them.
_ENVIRONMENT_NAMES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_NAMES: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


@dataclass(frozen=True, slots=True)
class PlainSettings:
    """All that a connection needs to find.

    Attributes:
        source: Where the keys are from, in botocore's word for it.
        ca_bundle: The file of certificates to trust, if the environment names one.
        has_bucket_hosts: Whether an S3 bucket has a host of its own, as AWS's buckets have.
    """

    keys: Keys = field(repr=False)
    source: str
    region: str
    endpoint: str
    ca_bundle: str | None
    has_bucket_hosts: bool


def read_plain(
    options: GatewayOptions, service: str, environment: Mapping[str, str] | None = None
) -> PlainSettings | None:
    """Return the settings for "glacier" or "s3", or ``None`` if botocore must be asked.

    Reads two small files if they exist.
    """
    environ = os.environ if environment is None else environment
    if options.profile_name is not None:
        return None
    if any(name.startswith("AWS_") and name not in _KNOWN_VARIABLES for name in environ):
        return None
    credentials = _default_section(environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
    config = _default_section(environ.get("AWS_CONFIG_FILE", "~/.aws/config"))
    if credentials is None or config is None:
        return None
    profile = config | credentials
    if not _KNOWN_KEYS.issuperset(profile):
        return None
    found = _find_keys(options, environ, credentials)
    region = options.region_name or environ.get("AWS_REGION") or None
    if region is None:
        region = environ.get("AWS_DEFAULT_REGION", profile.get("region"))
    if found is None or region is None or _REGION.fullmatch(region) is None:
        return None
    endpoint = options.endpoint_url
    if endpoint is None:
        names = f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"
        endpoint = next(filter(None, map(environ.get, names)), None)
    is_aws = endpoint is None
    if endpoint is None:
        # botocore still sends to S3's oldest region under its oldest name.
        host = "s3" if (service, region) == ("s3", "us-east-1") else f"{service}.{region}"
        endpoint = f"https://{host}.amazonaws.com"
    elif _ENDPOINT.fullmatch(endpoint) is None:
        return None
    source, keys = found
    has_bucket_hosts = is_aws and service == "s3"
    return PlainSettings(keys, source, region, endpoint, environ.get("AWS_CA_BUNDLE"), has_bucket_hosts)


def _find_keys(
    options: GatewayOptions, environ: Mapping[str, str], credentials: Mapping[str, str]
) -> tuple[str, Keys] | None:
    """Return keys and their source in the order in which botocore looks for them, if both are there."""
    if options.aws_access_key_id is not None:
        given = options.aws_access_key_id, options.aws_secret_access_key, options.aws_session_token
        return _whole("explicit", *given)
    if environ.get("AWS_ACCESS_KEY_ID"):
        return _whole("env", *map(environ.get, _ENVIRONMENT_NAMES))
    return _whole("shared-credentials-file", *map(credentials.get, _NAMES))


def _whole(
    source: str, access_key: str | None, secret_key: str | None, token: str | None
) -> tuple[str, Keys] | None:
    return (source, Keys(access_key, secret_key, token or None)) if access_key and secret_key else None


def _default_section(path: str) -> dict[str, str] | None:
    """Return the default profile of a configuration file, empty if there is none, ``None`` if not plain."""
    path = os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111  # as botocore does it
    if not os.path.isfile(path):  # noqa: PTH113  # as above
        return {}
    import configparser  # noqa: PLC0415  # many machines have no such file

    parser = configparser.RawConfigParser()
    try:
        parser.read([path])
    except (configparser.Error, UnicodeDecodeError):
        return None
    for name in parser.sections():
        if name != "default" and "default" in name:
            return None  # "profile default"
        if any(value.startswith("\n") for value in dict(parser.items(name)).values()):
            return None  # nested settings
    return dict(parser.items("default")) if parser.has_section("default") else {}


def check_keys(keys: Keys, source: str) -> None:
    """Refuse keys with a character that no key has, such as the line break that ends a file.

    Raises:
        InvalidCredentialsError: The message names the variable or setting, and never its value.
    """
    names = _ENVIRONMENT_NAMES if source == "env" else _NAMES
    for name, value in zip(names, (keys.access_key, keys.secret_key, keys.token), strict=True):
        wrong = next((character for character in value or "" if not "!" <= character <= "~"), None)
        if wrong is None:
            continue
        what = "a line break" if wrong in "\r\n" else f"the character {wrong!a}"
        where = "" if source in {"env", "explicit"} else f" (from {source})"
        raise InvalidCredentialsError(f"{name}{where} contains {what}, which no key does; set it without")
