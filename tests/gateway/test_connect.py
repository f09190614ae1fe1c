"""Opening a gateway: settings as botocore finds them, and options refused before any request."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from aioglacier.core.errors import CertificateError, ConfigurationError, NoCredentialsError
from aioglacier.gateway.connect import find_line, open_gateway, open_s3_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.contract.protocols import RawRequest
from aioglacier.gateway.http.bandwidth import Bandwidth
from tests.gateway.faulty import KEY_ID, SECRET, TOKEN, faulty_server, options_for

if TYPE_CHECKING:
    from pathlib import Path

from tests.gateway.faulty import FaultyServer

KEYS: dict[str, Any] = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}


async def origin_of(**options: Any) -> tuple[str, str]:
    """Return origin and region of a gateway opened with these options and keys."""
    async with open_gateway(GatewayOptions(**(KEYS | options))) as gateway:
        return gateway.origin, gateway.region


@pytest.mark.slow
@pytest.mark.parametrize(
    ("region", "origin"),
    [
        ("us-east-1", "https://glacier.us-east-1.amazonaws.com"),
        ("eu-central-1", "https://glacier.eu-central-1.amazonaws.com"),
        ("cn-north-1", "https://glacier.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "https://glacier.us-gov-west-1.amazonaws.com"),
    ],
)
async def test_origin_follows_the_region(region: str, origin: str) -> None:
    """Every partition has its own domain."""
    assert await origin_of(region_name=region) == (origin, region)


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_region_from_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Either variable sets the region."""
    monkeypatch.setenv(variable, "eu-west-1")
    assert (await origin_of())[1] == "eu-west-1"


async def test_fips_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable selects the FIPS endpoint."""
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    origin, region = await origin_of(region_name="us-east-1")
    assert (origin, region) == ("https://glacier-fips.us-east-1.amazonaws.com", "us-east-1")


async def test_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch, server: FaultyServer) -> None:
    """AWS_ENDPOINT_URL_GLACIER sets the endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLACIER", server.url)
    async with open_gateway(GatewayOptions(region_name="us-east-1", **KEYS)) as gateway:
        assert gateway.origin == server.url
        await gateway.describe_vault("photos")
        await gateway.request(RawRequest("GET", "vaults/photos"))
    assert len(server.requests) == 2


class Counting(Bandwidth):
    """A limit that counts the bytes it lets pass."""

    bytes = 0

    async def take(self, count: int) -> None:
        """Count bytes that wait."""
        self.bytes += count
        await super().take(count)


async def test_both_gateways_share_a_rate(server: FaultyServer) -> None:
    """The limit of bytes a second holds for both services together."""
    options = options_for(server, bandwidth=1 << 20)
    counting = Counting(1 << 20)
    line = (await find_line(options))._replace(throttle=counting)
    async with open_gateway(options, line=line) as vaults, open_s3_gateway(options, line=line) as s3:
        for gateway in (vaults, s3):
            before = counting.bytes
            await gateway.request(RawRequest("PUT", "/", body=b"x" * 1000))
            assert counting.bytes - before >= 1000


@pytest.mark.slow
async def test_profile_brings_region_and_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile named by option or variable has region and keys."""
    (tmp_path / "config").write_text("[profile archive]\nregion = eu-north-1\n")
    (tmp_path / "credentials").write_text(
        f"[archive]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    )
    async with open_gateway(GatewayOptions(profile_name="archive")) as gateway:
        assert gateway.region == "eu-north-1"
    monkeypatch.setenv("AWS_PROFILE", "archive")
    async with open_gateway(GatewayOptions()) as gateway:
        assert gateway.region == "eu-north-1"


async def test_profile_that_is_not_there() -> None:
    """The message names the missing profile."""
    with pytest.raises(ConfigurationError, match="no-such-profile"):
        await origin_of(profile_name="no-such-profile", region_name="us-east-1")


async def test_no_region() -> None:
    """The message names the profile and what to set."""
    with pytest.raises(ConfigurationError, match=r"profile 'default'.*AWS_REGION"):
        await origin_of()


async def test_no_credentials(server: FaultyServer) -> None:
    """Nothing is sent, and the message names the profile and the variables to set."""
    with pytest.raises(NoCredentialsError, match=r"profile 'default'.*AWS_ACCESS_KEY_ID"):
        async with open_gateway(GatewayOptions(region_name="us-east-1", endpoint_url=server.url)):
            pass
    assert server.requests == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"aws_access_key_id": KEY_ID},
        {"aws_secret_access_key": SECRET},
        {"aws_session_token": TOKEN},
        KEYS | {"account_id": "photos"},
        KEYS | {"account_id": "../../-"},
        KEYS | {"max_connections": 0},
        KEYS | {"region_name": "eu west 1"},
        KEYS | {"endpoint_url": "glacier.example.com"},
        KEYS | {"endpoint_url": "ftp://glacier.example.com"},
        KEYS | {"endpoint_url": "https://"},
        KEYS | {"endpoint_url": "https://glacier.example.com/prefix"},
        KEYS | {"endpoint_url": "https://glacier.example.com:99999"},
        KEYS | {"endpoint_url": "https://user:pass@glacier.example.com"},
        KEYS | {"proxy": "no proxy at all"},
        KEYS | {"proxy": "socks5://proxy:1080"},
    ],
    ids=lambda wrong: "+".join(name for name in wrong if name not in KEYS or len(wrong) == 1),
)
async def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    """Each is refused before any request, and no secret is shown."""
    with pytest.raises(ConfigurationError) as caught:
        async with open_gateway(GatewayOptions(**({"region_name": "us-east-1"} | wrong))):
            pass
    assert SECRET not in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("host", ["glacier.example.com", "10.0.0.1", "0.0.0.0", "127.0.0.1.example.com"])  # noqa: S104
async def test_plain_http_to_another_machine_needs_to_be_allowed(host: str) -> None:
    """Plain http to another machine is refused unless allowed."""
    with pytest.raises(ConfigurationError, match="plain http"):
        await origin_of(region_name="us-east-1", endpoint_url=f"http://{host}")
    allowed = await origin_of(region_name="us-east-1", endpoint_url=f"http://{host}", allow_insecure=True)
    assert allowed[0] == f"http://{host}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.10"])
async def test_plain_http_on_this_machine_is_fine(host: str) -> None:
    """Plain http to this machine needs no permission."""
    origin = f"http://{host}:8080"
    assert (await origin_of(region_name="us-east-1", endpoint_url=origin))[0] == origin


async def test_proxy_by_option_is_used_by_both_planes(server: FaultyServer) -> None:
    """Requests go to the proxy with the origin in the request line."""
    options = options_for(
        server, endpoint_url="http://glacier.example.com", allow_insecure=True, proxy=server.url
    )
    async with open_gateway(options) as gateway:
        await gateway.describe_vault("photos")
        await gateway.request(RawRequest("GET", "vaults/photos"))
    assert [exchange.target for exchange in server.requests] == [
        "http://glacier.example.com/-/vaults/photos"
    ] * 2


async def test_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch, server: FaultyServer) -> None:
    """HTTP_PROXY and NO_PROXY count, and requests to this machine use no proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with open_gateway(options_for(server)) as gateway:
        await gateway.describe_vault("photos")
    monkeypatch.setenv("HTTP_PROXY", server.url)
    elsewhere = {"endpoint_url": "http://glacier.example.com", "allow_insecure": True}
    async with open_gateway(options_for(server, **elsewhere)) as gateway:
        await gateway.describe_vault("photos")
    assert len(server.requests) == 2


async def test_certificate_nobody_vouches_for() -> None:
    """The call fails once and names the reason."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with faulty_server(context) as server, open_gateway(options_for(server)) as gateway:
        with pytest.raises(CertificateError, match="certificate") as caught:
            await gateway.describe_vault("photos")
        assert not caught.value.is_retryable
        assert server.requests == []


async def test_certificate_bundle_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message names the file."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        await origin_of(region_name="us-east-1")


@pytest.mark.slow
async def test_opening_does_not_stall_the_loop(server: FaultyServer) -> None:
    """A thread reads the certificates."""
    stalls: list[float] = []

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            stalls.append(time.thread_time() - before)

    worst: list[float] = []
    for _ in range(5):
        stalls.clear()
        watching = asyncio.create_task(watch())
        await origin_of(region_name="us-east-1")
        async with open_gateway(options_for(server)) as gateway:
            await gateway.describe_vault("photos")
        watching.cancel()
        worst.append(max(stalls))
    # The loop's own CPU time, as a busy machine adds waits; about 7 ms.
    assert min(worst) < 0.02


def test_options_show_no_secret() -> None:
    """A repr may end up in a log."""
    options = GatewayOptions(**KEYS, aws_session_token=TOKEN, proxy="http://user:password@proxy:3128")
    text = repr(options)
    assert SECRET not in text
    assert TOKEN not in text
    assert "password" not in text
