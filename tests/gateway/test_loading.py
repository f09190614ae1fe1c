"""What is loaded for a connection, and what that leaves behind in the process."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import os, sys
before = dict(os.environ)
{load}
import aiohttp.connector
assert dict(os.environ) == before
print(aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"])
"""


def trusted_after(load: str, **environment: str) -> int:
    """How many authorities aiohttp trusts by itself in a process that loaded the client so."""
    command = [sys.executable, "-c", LOADED.format(load=load)]
    return int(subprocess.run(command, capture_output=True, check=True, text=True, env=environment).stdout)


def test_a_program_that_has_the_process_to_itself_reads_no_certificates_of_the_system() -> None:
    """Its connections have a context of their own; the environment is as it was."""
    load = "from aioglacier.gateway.loading import load_alone; load_alone()"
    assert trusted_after(load) == 0
    assert trusted_after(load, SSL_CERT_FILE="/somewhere") == 0


def test_a_library_changes_nothing_for_others() -> None:
    """Whoever else uses aiohttp in the process trusts whom the system trusts."""
    assert trusted_after("import aioglacier.gateway.aws") == trusted_after("")
