"""A certificate authority for sinks that speak TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Certificates(NamedTuple):
    """Paths of the server's certificate and of the authority that clients trust."""

    server: str
    authority: str


def issue(folder: Path) -> Certificates:
    """Write both into a folder."""
    authority = trustme.CA()
    files = Certificates(str(folder / "server.pem"), str(folder / "authority.pem"))
    certificate = authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.ECDSA)
    certificate.private_key_and_cert_chain_pem.write_to_path(files.server)
    authority.cert_pem.write_to_path(files.authority)
    return files
