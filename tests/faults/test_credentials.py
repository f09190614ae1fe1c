"""CR: credentials that are missing, expire and are renewed, and clocks that are wrong."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import tree_hash
from aioglacier.server import Credentials, Fault, LocalGlacier
from aioglacier.testing.served import serving
from tests.faults.conftest import MIB, Cli, Lies, Stand, Trouble, data, wait_for
from tests.faults.proxy import Kind, Since, proxying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")
FIRST, SECOND = (
    Credentials(f"ASIAEXAMPLE{number}", f"secret-of-the-pair-number-{number}", f"token-of-number-{number}")
    for number in range(2)
)


@dataclass
class Renewal:
    """The answers of a container's endpoint: keys with a lifetime in minutes, a status, or nothing.

    Attributes:
        answers: One for each request; the last is repeated.
        asked: The number of requests.
    """

    answers: list[tuple[Credentials, float] | int | None]
    asked: int = 0
    url: str = ""
    release: threading.Event = field(default_factory=threading.Event)

    def next(self) -> tuple[Credentials, float] | int | None:
        """Return the next answer."""
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return answer


@contextmanager
def renewing(*answers: tuple[Credentials, float] | int | None) -> Iterator[Renewal]:
    """Run an endpoint for credentials on this machine, like that of containers."""
    renewal = Renewal(list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        """A handler that answers."""

        def do_GET(self) -> None:
            """Give the next answer."""
            answer = renewal.next()
            if answer is None:
                renewal.release.wait(20)
                return
            if isinstance(answer, int):
                self.send_error(answer)
                return
            pair, minutes = answer
            expires = datetime.now(UTC) + timedelta(minutes=minutes)
            document = {
                "AccessKeyId": pair.access_key_id,
                "SecretAccessKey": pair.secret_access_key,
                "Token": pair.session_token,
                "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
            }
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Server(http.server.ThreadingHTTPServer):
        """A server that ignores clients that leave."""

        def handle_error(self, *_: object) -> None:
            """Ignore clients that leave."""

    with Server(("127.0.0.1", 0), Handler) as server:
        renewal.url = f"http://127.0.0.1:{server.server_port}/credentials"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield renewal
        finally:
            renewal.release.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Stand]:
    """Yield a stand whose service knows two pairs of temporary credentials; the program has none."""
    folder = tmp_path / "home"
    folder.mkdir()
    server = LocalGlacier(
        tmp_path / "glacier", credentials=[FIRST, SECOND], job_delay=0, inventory_lag=0, is_durable=False
    )
    with serving(server) as glacier, proxying(glacier.url) as proxy:
        stand = Stand(folder, glacier, proxy)
        with_(stand, FIRST)("vault", "create", "v")
        proxy.seen.clear()
        yield stand


def with_(stand: Stand, pair: Credentials) -> Cli:
    """Return the environment of the program with these credentials."""
    assert pair.session_token is not None
    keys = {
        "AWS_ACCESS_KEY_ID": pair.access_key_id,
        "AWS_SECRET_ACCESS_KEY": pair.secret_access_key,
        "AWS_SESSION_TOKEN": pair.session_token,
    }
    return replace(stand.cli, environment=keys)


def renewed(stand: Stand, renewal: Renewal) -> Cli:
    """Return the environment of the program in a container."""
    return replace(stand.cli, environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": renewal.url})


def test_cr_01_no_credentials_end_it_before_a_byte_is_read(stand: Stand) -> None:
    """The exit code is 6, the message names the variables to set, and standard input is unread."""
    cli = replace(stand.cli, environment={})
    with subprocess.Popen(
        ["sh", "-c", '"$@"; echo "exit $?"; cat', "sh", *cli.command("upload", "v", "-")],
        env=cli.env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        out, err = process.communicate(b"every byte", timeout=20)
    assert out == b"exit 6\nevery byte"
    for words in (b"no AWS credentials", b"AWS_ACCESS_KEY_ID", b"--profile", b"--local"):
        assert words in err
    assert len(stand.proxy.seen) == 0


def test_cr_02_a_token_is_renewed_while_an_upload_runs(temporary: Stand, lies: Lies) -> None:
    """Shortly before its expiry, a new token signs the next request; no request fails."""
    content = temporary.file(SIZE)
    temporary.proxy.add(Trouble(Kind.FREEZE, where=f"bytes {MIB}-", since=Since.BODY, at=9, seconds=1))
    with renewing((FIRST, 17), (SECOND, 600)) as renewal:
        cli = renewed(temporary, renewal)
        with cli.loaded("-v", *UPLOAD, env=cli.env(lies.environment)) as process:
            temporary.struck()
            lies.wall(240)  # 13 minutes are left, and botocore renews from 15 minutes on
            done = temporary.ended(process)
        assert renewal.asked == 2
    assert "credentials were refreshed" in done.err
    assert "failed" not in done.err
    assert len(temporary.proxy.requests("PUT")) == 3
    assert tree_hash(content).hex() in done.text


def test_cr_03_a_token_that_expires_for_good_stops_it_at_once(temporary: Stand) -> None:
    """The exit code is 6 with all state kept; with a new token, the named command sends only the rest."""
    content = temporary.file(12 * MIB)
    temporary.glacier.add_faults(
        Fault("UploadMultipartPart", code="ExpiredTokenException", first=6, count=None)
    )
    done = with_(temporary, FIRST)("--json", "--concurrency", "4", *UPLOAD, code=6)
    error = done.error
    assert error["error"] == "CredentialsExpiredError"
    assert error["upload_id"]
    refused = [seen for seen in temporary.proxy.requests("PUT") if seen.status == 403]
    assert 1 <= len(refused) <= 4
    sent = temporary.parts_sent()
    assert 0 < error["sent"] <= sent * MIB  # an answer may have been in flight
    temporary.glacier.clear_faults()
    temporary.proxy.seen.clear()
    name, *arguments = error["resume"].split()
    assert name == "aioglacier"
    replace(with_(temporary, SECOND), arguments=())(*arguments)
    # Up to four parts may have arrived whose answers were cut off.
    assert 12 - sent - 4 <= temporary.parts_sent() <= 12 - sent
    assert temporary.count("archives") == 1
    assert tree_hash(content).hex() in with_(temporary, SECOND)("--json", "inventory", "v").text


@pytest.mark.parametrize("trouble", [500, (FIRST, -5)], ids=["500", "expired"])
def test_cr_04_a_renewal_that_fails_lets_the_token_be_used_while_it_lasts(
    temporary: Stand, trouble: tuple[Credentials, float] | int
) -> None:
    """The upload continues with a token that has 13 minutes left."""
    temporary.file(SIZE)
    with renewing((FIRST, 13), trouble) as renewal:
        renewed(temporary, renewal)(*UPLOAD)
        assert 1 < renewal.asked <= 4
    assert temporary.count("archives") == 1


def test_cr_04_a_token_that_is_over_and_cannot_be_renewed_is_not_used(temporary: Stand) -> None:
    """The exit code is 6, and no request was sent with the expired token."""
    temporary.file(SIZE)
    with renewing((FIRST, 0.01), 500) as renewal:
        error = renewed(temporary, renewal)("--json", *UPLOAD, code=6).error
        assert renewal.asked > 1
    assert error["error"] == "CredentialsExpiredError"
    assert not temporary.proxy.seen


def test_cr_06_a_clock_that_is_off_is_named_with_the_difference(stand: Stand, lies: Lies) -> None:
    """The exit code is 6 after two requests at most, and the message has both times."""
    stand.file(SIZE)
    lies.wall(-1200)
    with stand.started("--json", *UPLOAD, lies=lies) as process:
        error = stand.ended(process, 6).error
    assert error["error"] == "ClockSkewError"
    here, there = (datetime.fromisoformat(error[name]) for name in ("local_time", "server_time"))
    assert 1190 < (there - here).total_seconds() < 1210
    assert re.search(r"\b1(19\d|20\d) s apart", error["message"])
    assert len(stand.proxy.seen) <= 2


def test_cr_07_a_clock_that_steps_disturbs_no_timer(tmp_path: Path, lies: Lies) -> None:
    """Steps of the clock, an hour back and then a day ahead, in the middle of an upload change nothing."""
    content = data(4 * MIB)
    (tmp_path / "big").write_bytes(content)
    server = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
    with serving(server) as glacier, proxying(glacier.url) as proxy:
        stand = Stand(tmp_path, glacier, proxy)
        stand.cli_at(glacier.url)("vault", "create", "v")
        for part in (1, 3):
            pause = Trouble(Kind.FREEZE, where=f"bytes {part * MIB}-", since=Since.BODY, at=9, seconds=0.5)
            proxy.add(pause)
        with stand.started("-v", *UPLOAD, lies=lies) as process:
            stand.struck()
            lies.wall(-3600)
            wait_for(lambda: proxy.struck() == 2)
            lies.wall(86400)
            done = stand.ended(process)
        assert "failed" not in done.err
        assert stand.parts_sent() == 4
        stand.proven(content)


@pytest.mark.parametrize(
    ("operation", "command"),
    [("ListMultipartUploads", "upload"), ("ListParts", "upload"), ("ListJobs", "download")],
)
def test_cr_08_what_can_be_done_without_a_denied_action_is_done(
    stand: Stand, operation: str, command: str
) -> None:
    """A warning names the action; the upload or download itself works."""
    content = stand.file(SIZE)
    stand.glacier.add_faults(Fault(operation, code="AccessDeniedException", count=None))
    done = stand.cli("--json", *UPLOAD)
    if command == "download":
        done = stand.cli("download", "v", f"--archive-id={done.record['archive_id']}", "back")
        assert (stand.folder / "back").read_bytes() == content
    if stand.glacier.status()["faults"][0]["struck"]:
        assert f"glacier:{operation}" in done.err
    assert stand.count("archives") == 1


def test_cr_08_an_action_that_is_needed_is_named(stand: Stand) -> None:
    """Resuming an upload needs the list of its parts: exit 7, with the action to allow."""
    stand.killed(SIZE, 1)
    stand.glacier.add_faults(Fault("ListParts", code="AccessDeniedException", count=None))
    done = stand.cli("--json", *UPLOAD, code=7)
    assert done.error["error"] == "AccessDeniedError"
    assert "glacier:ListParts" in done.error["message"]


def test_cr_09_a_wrong_region_is_named_and_gets_no_data(stand: Stand) -> None:
    """The error names the used region and the service's answer; no part is sent."""
    stand.file(SIZE)
    cli = replace(stand.cli, arguments=("--endpoint-url", stand.proxy.url, "--region", "eu-west-1"))
    error = cli("--json", *UPLOAD, code=6).error
    assert "eu-west-1" in error["message"]
    assert stand.proxy.url in error["message"]
    assert not stand.proxy.requests("PUT")


def test_cr_09_an_endpoint_that_is_none_is_named(stand: Stand, lies: Lies) -> None:
    """An endpoint without a server ends with exit 5, and the message names it."""
    stand.file(SIZE)
    stand.proxy.go_away()
    with stand.started("--json", *UPLOAD, lies=lies) as process:
        wait_for((stand.folder / ".local").exists)
        lies.speed(600)
        error = stand.ended(process, 5).error
    assert stand.proxy.url in error["message"]


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_cr_10_a_line_break_in_a_key_is_named_by_its_variable(stand: Stand, name: str) -> None:
    """A key with a line break at its end gives exit 6 without a request, and the message hides the key."""
    environment = {**stand.cli.environment, "AWS_SESSION_TOKEN": "unknown-token"}
    environment[name] += "\n"
    told = replace(stand.cli, environment=environment)("vault", "list", code=6).err
    assert f"{name} contains a line break" in told
    assert environment[name].strip() not in told
    assert not stand.proxy.seen


def test_cr_11_a_refresh_that_returns_expired_keys_stops_it_at_once(temporary: Stand) -> None:
    """The exit code is 6, whether the first keys are expired or the service says so later."""
    with renewing((FIRST, -5)) as renewal:
        told = renewed(temporary, renewal)("vault", "list", code=6).err
        assert "could not be refreshed" in told
    temporary.glacier.add_faults(Fault("ListVaults", code="ExpiredTokenException"))
    with renewing((FIRST, 60), (SECOND, -5)) as renewal:
        told = renewed(temporary, renewal)("vault", "list", code=6).err
        assert "could not be refreshed" in told
