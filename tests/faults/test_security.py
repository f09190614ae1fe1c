"""SE: foreign text, secrets, and permissions of files."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import shutil
import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import trustme

import aioglacier
from aioglacier.core.errors import UnexpectedResponseError
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.connect import open_gateway
from aioglacier.server import Fault, FaultKind, LocalGlacier
from aioglacier.testing.served import serving
from tests.faults.conftest import MIB, Stand, Trouble, wait_for
from tests.faults.proxy import Kind, Since, proxying
from tests.gateway.faulty import Exchange, faulty_server, options_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")


def test_se_01_a_restore_does_not_follow_a_planted_link(stand: Stand) -> None:
    """Nothing is written through a link in place of a folder; the rest is restored, exit 3."""
    tree, back, outside = (stand.folder / name for name in ("tree", "back", "outside"))
    for folder in (tree, tree / "link", back, outside):
        folder.mkdir()
    (tree / "link" / "evil").write_bytes(b"escaped")
    (tree / "good").write_bytes(b"restored")
    stand.cli("sync", "tree", "v")
    (back / "link").symlink_to(outside)
    done = stand.cli("--json", "restore", "v", "back", code=3)
    assert (back / "good").read_bytes() == b"restored"
    assert '"UnsafePathError"' in done.err
    assert not list(outside.iterdir())


def test_se_03_nothing_that_is_logged_or_told_is_secret(stand: Stand) -> None:
    """No secret appears at -vvv, through retries, a refusal and the traceback of a crash."""
    stand.file(SIZE)
    (stand.folder / "site").mkdir()
    token = "a-token-that-must-stay-secret"
    stand.glacier.add_faults(
        Fault("UploadMultipartPart", status=500, count=2),
        Fault("CompleteMultipartUpload", code="AccessDeniedException"),
    )
    texts = [stand.cli("-vvv", *UPLOAD, code=7).err]
    cli = replace(stand.cli, environment={**stand.cli.environment, "AWS_SESSION_TOKEN": token})
    texts.append(cli("-vvv", "vault", "list", code=6).err)
    assert all("DEBUG" in text for text in texts)
    for text in texts:
        assert stand.glacier.secret_access_key not in text
        assert token not in text
        assert not re.search(r"(?i)signature=[0-9a-f]{8}", text)
        assert "AWS4-HMAC-SHA256 Credential" not in text


def test_se_05_certificates_are_checked_whatever_the_environment_says(stand: Stand, tmp_path: Path) -> None:
    """No variable that disables verification in other programs does so here."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = LocalGlacier(tmp_path / "tls", ssl_context=context)
    config = tmp_path / "config"
    config.write_text("[default]\nverify_ssl = false\n")
    careless = {"PYTHONHTTPSVERIFY": "0", "CURL_CA_BUNDLE": "", "AWS_CONFIG_FILE": str(config)}
    with serving(server) as glacier:
        done = stand.cli_at(glacier.url)("--json", "vault", "list", environment=careless, code=1)
        assert done.error["error"] == "CertificateError"
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            done = stand.cli_at(glacier.url)("--json", "vault", "list", environment={name: ""}, code=1)
            assert done.error["error"] == "CertificateError"


def modes(folder: Path) -> Iterator[tuple[Path, int]]:
    """Return everything below a folder with its permissions."""
    for path in folder.rglob("*"):
        yield path, path.lstat().st_mode & 0o777


def test_se_06_what_is_written_is_for_its_owner_alone(stand: Stand) -> None:
    """With a umask of 000, files have 0600 and folders 0700 during an upload and a download."""
    stand.file(SIZE)
    old = os.umask(0)
    try:
        stand.proxy.add(Trouble(Kind.FREEZE, where=f"bytes {MIB}-", since=Since.BODY, at=9))
        with stand.started(*UPLOAD) as process:
            stand.struck()
            found = dict(modes(stand.folder))
            process.kill()
        stand.proxy.clear()
        archive_id = stand.cli("--json", *UPLOAD).record["archive_id"]
        (stand.folder / "target").mkdir(0o755)
        stand.glacier.add_faults(Fault("GetJobOutput", FaultKind.TRUNCATE, after_bytes=9, seconds=60))
        download = ("download", "v", f"--archive-id={archive_id}", "target/back")
        with stand.started(*download) as process:
            wait_for(lambda: bool(stand.proxy.requests("/output")))
            wait_for(lambda: any((stand.folder / "target").iterdir()))
            found |= dict(modes(stand.folder))
            process.kill()
    finally:
        os.umask(old)
    ours = {
        path: mode for path, mode in found.items() if path.name not in {"big", "target", ".local", "share"}
    }
    assert len(ours) > 3
    wrong = {
        str(path): oct(mode) for path, mode in ours.items() if mode != (0o700 if path.is_dir() else 0o600)
    }
    assert not wrong


def test_se_07_secrets_are_in_no_argument_environment_or_file(stand: Stand) -> None:
    """During an upload, no command line, worker environment or written file contains a secret."""
    stand.file(33 * MIB)  # a hash worker hashes the first part
    secret = stand.glacier.secret_access_key.encode()
    stand.proxy.add(Trouble(Kind.FREEZE, where=f"bytes {32 * MIB}-", since=Since.BODY, at=9))
    command = ("upload", "v", "big", "--part-size", "32MiB")
    with stand.started(*command) as process:
        stand.struck()
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        pids = [child.pid for child in children]
        seen = [Path(f"/proc/{each}/cmdline").read_bytes() for each in [process.pid, *pids]]
        seen += [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids]
        seen += [path.read_bytes() for path in stand.folder.rglob("*") if path.is_file()]
        process.kill()
    assert len(seen) > 5
    assert not any(secret in text for text in seen)


def test_se_08_a_size_beyond_all_bounds_is_seen_before_a_byte_is_fetched(stand: Stand) -> None:
    """An announced archive of 100 TB does not fit, and the error has both numbers."""
    stand.file(1000)
    archive = stand.cli("--json", "upload", "v", "big").record
    stand.cli("download", "v", f"--archive-id={archive['archive_id']}", "back")
    job = stand.cli("--json", "jobs", "list", "v").record
    size = 10**14
    stand.glacier.add_faults(
        Fault(
            "DescribeJob",
            status=200,
            body=described(job, archive, size),
            headers={"x-amzn-RequestId": "A"},
            count=None,
        )
    )
    free = shutil.disk_usage(stand.folder).free
    error = stand.cli("--json", "download", "v", f"--job-id={job['job_id']}", "huge", code=1).error
    assert error["error"] == "TargetError"
    assert error["needed"] >= size
    assert 0 < error["free"] <= free * 2
    assert len(stand.proxy.requests("/output")) == 1  # that of the first download


def described(job: dict[str, object], archive: dict[str, object], size: int) -> str:
    """Return a job's description in the service's form with another size."""
    document = {
        "JobId": job["job_id"],
        "Action": "ArchiveRetrieval",
        "ArchiveId": archive["archive_id"],
        "ArchiveSizeInBytes": size,
        "Completed": True,
        "CreationDate": "2026-11-20T10:00:00.000Z",
        "StatusCode": "Succeeded",
        "VaultARN": "arn:aws:glacier:us-east-1:012345678901:vaults/v",
        "ArchiveSHA256TreeHash": archive["tree_hash"],
        "SHA256TreeHash": archive["tree_hash"],
        "RetrievalByteRange": f"0-{size - 1}",
    }
    return json.dumps(document)


async def test_se_08_an_endless_body_is_left_at_its_expected_size() -> None:
    """An answer that announced 100 bytes is not read beyond them."""

    async def drown(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 206 Partial Content\r\nx-amzn-RequestId: A\r\n"
            b"Content-Range: bytes 0-99/1000\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        while True:
            await exchange.send(b"10000\r\n" + bytes(65536) + b"\r\n")

    async with faulty_server() as server, open_gateway(options_for(server)) as gateway:
        server.then(drown)
        came = 0

        async def read() -> None:
            nonlocal came
            async with gateway.get_job_output("photos", JobId("JOB"), ByteRange(0, 100)) as output:
                async for block in output:
                    came += len(block)

        with pytest.raises(UnexpectedResponseError, match="more than the 100 bytes"):
            await read()
        assert came <= 100


def test_se_09_names_are_data(stand: Stand) -> None:
    """Names are data in the catalog and in a spreadsheet: no exported cell begins a formula."""
    evil = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "'); DROP TABLE archives; --"]
    for number, name in enumerate(evil):
        stand.file(1000, f"file {number}", seed=number)
        stand.cli("upload", "v", f"file {number}", f"--description={name}")
    for command in ("inventory", "list"):
        listed = stand.cli("--json", command, "v").records
        assert sorted(record["description"] for record in listed) == sorted(evil)
    exported = stand.cli("inventory", "v", "--format", "csv").text
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert sorted(row["description"].lstrip("'") for row in rows) == sorted(name.lstrip("'") for name in evil)
    assert not any(row["description"].startswith(("=", "+", "-", "@")) for row in rows)
    assert len(stand.rows("SELECT * FROM archives")) == len(evil)


def test_se_11_nothing_is_deleted_when_a_check_fails(stand: Stand) -> None:
    """A download or upload that fails verification deletes nothing."""
    content = stand.file(SIZE)
    archive_id = stand.cli("--json", *UPLOAD).record["archive_id"]
    stand.glacier.add_faults(Fault("GetJobOutput", FaultKind.FLIP, after_bytes=9, count=None))
    stand.cli("download", "v", f"--archive-id={archive_id}", "back", code=4)
    stand.glacier.add_faults(Fault("UploadArchive", FaultKind.WRONG_HASH))
    (stand.folder / "small").write_bytes(b"small")
    stand.cli("upload", "v", "small", code=4)
    assert not stand.proxy.requests("DELETE")
    assert stand.count("archives") == 2
    assert (stand.folder / "big").read_bytes() == content
    assert (stand.folder / "small").exists()


def test_se_12_nothing_is_unpickled() -> None:
    """No module of the package imports code that unpickles or evaluates; answers of workers are left to Dask.

    The pages of a restore's records never leave the memory of the process that packs them.
    """
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml"}
    allowed = {"kept_pages.py": {"marshal"}}
    for path in Path(aioglacier.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [node.id]
                if isinstance(node, ast.Name) and node.id in {"eval", "exec"}
                else []
            )
            found = {name.partition(".")[0] for name in names} & (forbidden | {"eval", "exec"})
            assert found <= allowed.get(path.name, set()), path


def test_se_04_a_redirect_from_https_to_http_is_refused(stand: Stand, tmp_path: Path) -> None:
    """A redirect from TLS to plain http is refused, even to the same host."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with proxying(stand.glacier.url) as elsewhere:
        away = Fault("ListVaults", status=307, headers={"Location": elsewhere.url + "/-/vaults"})
        server = LocalGlacier(tmp_path / "tls", ssl_context=context, faults=[away])
        with serving(server) as glacier:
            trust = {"AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}
            done = stand.cli_at(glacier.url)("--json", "vault", "list", environment=trust, code=1)
        assert done.error["error"] == "RedirectRefusedError"
        assert elsewhere.connections == 0
