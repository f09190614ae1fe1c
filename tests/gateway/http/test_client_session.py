"""Proxies and certificates as botocore finds them."""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING

import botocore.httpsession
import botocore.utils
import pytest
from yarl import URL

from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.http.client_session import environment_proxies, new_context, proxy_for, tls_context

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("url", ["http://glacier.example.com", "https://glacier.us-east-1.amazonaws.com"])
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HTTPS_PROXY": "http://proxy:3128"},
        {"https_proxy": "proxy:3128", "http_proxy": "//proxy:8080"},
        {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com,.amazonaws.com"},
        {"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "*"},
    ],
)
def test_proxies_are_those_that_botocore_takes(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str
) -> None:
    """Proxies by scheme and their exceptions are botocore's."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = environment_proxies(url)
    assert found == botocore.utils.get_environ_proxies(url)
    configuration = botocore.httpsession.ProxyConfiguration(found)
    expected = configuration.proxy_url_for(url)
    assert proxy_for(URL(url), GatewayOptions(), is_loopback=False) == expected


def test_certificates_are_checked_as_botocore_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Protocols, ciphers, flags and the key log are botocore's."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    ours, theirs = new_context(), botocore.httpsession.create_urllib3_context()
    for name in ("options", "minimum_version", "maximum_version", "verify_flags", "verify_mode", "protocol",
                 "post_handshake_auth", "keylog_filename", "security_level"):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.get_ciphers() == theirs.get_ciphers()
    assert ours.check_hostname
    assert ours.verify_mode == ssl.CERT_REQUIRED


def test_certificates_without_certifi(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle of botocore is found without loading it."""
    monkeypatch.setitem(sys.modules, "certifi", None)
    assert tls_context(None).cert_store_stats()["x509_ca"] > 50
