"""NE: connections that are cut, frozen, slow or damaged, and intermediaries that are not Glacier."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from aioglacier.core.errors import ConnectionFailedError, StalledTransferError, UnexpectedResponseError
from aioglacier.core.treehash import tree_hash
from aioglacier.gateway.contract.options import GatewayOptions, Timeouts
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.server import LocalGlacier
from aioglacier.testing.served import serving
from tests.cli.conftest import keys
from tests.faults.conftest import MIB, SHORT, Cli, Lies, Stand, Trouble, wait_for
from tests.faults.proxy import Kind, Since, Way, proxying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
SECOND = f"bytes {MIB}-"
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")


# --- connections that are cut


@pytest.mark.parametrize(
    ("since", "at"),
    [
        (Since.START, 0),
        (Since.START, 1),
        (Since.BODY, 0),
        (Since.BODY, MIB // 2),
        (Since.END, -1),
        (Since.END, 0),
    ],
)
async def test_ne_01_a_connection_cut_at_any_byte_costs_one_more_request(
    stand: Stand, since: Since, at: int
) -> None:
    """The same part is sent again on a new connection, and the archive is exact."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FIN, where=SECOND, since=since, at=at))
    async with stand.connect() as glacier:
        archive = await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
    assert archive.tree_hash == tree_hash(content)
    sends = stand.proxy.requests(SECOND)
    assert sends[0].struck == [Kind.FIN]
    assert 2 <= len(sends) <= 3
    assert sends[-1].status == 204
    assert stand.count("archives") == 1


@pytest.mark.parametrize(("way", "since", "at"), [(Way.UP, Since.BODY, 500_000), (Way.DOWN, Since.START, 0)])
async def test_ne_02_a_reset_is_told_as_one(
    stand: Stand, way: Way, since: Since, at: int, retries: Callable[[], list[str]]
) -> None:
    """The message states the progress, and not a missing connection."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.RST, way, where=SECOND, since=since, at=at))
    async with stand.connect() as glacier:
        archive = await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
    assert archive.tree_hash == tree_hash(content)
    (told,) = retries()
    assert "lost after" in told
    assert f"of {MIB} bytes" in told
    assert "no connection" not in told
    assert len(stand.proxy.requests(SECOND)) == 2


# --- connections without movement; the program's own times, on a faster clock


def test_ne_03_a_peer_that_stops_reading_is_a_stalled_transfer(stand: Stand, lies: Lies) -> None:
    """After a minute without a byte, the part is sent again automatically."""
    assert Timeouts().stall == 60
    content = stand.file(9 * MIB)
    stand.proxy.add(Trouble(Kind.FREEZE, where="bytes 0-", since=Since.BODY, at=100))
    with stand.started("-v", "upload", "v", "big", "--part-size", "8MiB", lies=lies) as process:
        stand.struck()
        lies.speed(100)
        wait_for(lambda: len(stand.proxy.requests("bytes 0-")) > 1)
        lies.speed(1)
        done = stand.ended(process)
    assert "no byte moved for 60 s" in done.err
    stand.proven(content)


def test_ne_04_a_peer_that_never_answers_is_given_up_in_time(stand: Stand, lies: Lies) -> None:
    """A part waits two minutes for its answer, a completion ten; then each is sent again."""
    assert Timeouts().first_byte == 120
    assert Timeouts().completion == 600
    content = stand.file(SIZE)
    complete = "POST /-/vaults/v/multipart-uploads/"
    stand.proxy.add(Trouble(Kind.FREEZE, Way.DOWN, where=SECOND))
    stand.proxy.add(Trouble(Kind.FREEZE, Way.DOWN, where=complete))
    with stand.started("-v", *UPLOAD, lies=lies) as process:
        stand.struck()
        lies.speed(300)
        wait_for(lambda: len(stand.proxy.requests(complete)) > 1)
        lies.speed(1)
        done = stand.ended(process)
    assert "no answer within 120 s" in done.err
    assert "no answer within 600 s" in done.err
    stand.proven(content)


@pytest.mark.parametrize("since", [Since.START, Since.BODY])
async def test_ne_05_an_answer_that_drips_is_as_good_as_none(stand: Stand, since: Since) -> None:
    """Less than 1,024 bytes a second over a minute is a stall, in the head as in the body."""
    defaults = GatewayOptions()
    assert (defaults.minimum_rate, defaults.timeouts.stall) == (1024, 60)
    drip = Trouble(Kind.RATE, Way.DOWN, where="GET", since=since, rate=20, count=None)
    stand.proxy.add(drip)
    async with stand.connect(policy=RetryPolicy(no_progress_seconds=0.1), timeouts=SHORT) as glacier:
        with pytest.raises(StalledTransferError, match=r"within 0\.[48] s"):
            await glacier.vault("v").describe()


# --- downloads


def download(stand: Stand, content: bytes, *, code: int = 0) -> str:
    """Upload without trouble, add trouble, download; return the messages."""
    troubles = [waiting.trouble for waiting in stand.proxy._waiting]
    stand.proxy.clear()
    archive_id = stand.cli("--json", "upload", "v", "big").record["archive_id"]
    stand.proxy.add(*troubles)
    done = stand.cli("-v", "download", "v", f"--archive-id={archive_id}", "back", code=code)
    assert not code or not (stand.folder / "back").exists()
    assert code or (stand.folder / "back").read_bytes() == content
    return done.err


def test_ne_06_a_download_that_is_cut_goes_on_where_it_was(stand: Stand) -> None:
    """Received bytes are not requested again; the error after the head is one of ours."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FIN, Way.DOWN, where="/output", since=Since.BODY, at=MIB))
    told = download(stand, content)
    assert "the connection broke off in the middle of the answer (Not enough data" in told
    assert "received 1048576 of 3145728 bytes" in told
    _, second = stand.proxy.requests("/output")
    assert second.ranges == f"bytes={MIB}-{SIZE - 1}"


def test_ne_08_a_bit_flipped_on_the_way_up_is_sent_again(stand: Stand) -> None:
    """The service refuses the part, which is sent again from the same memory."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FLIP, where=SECOND, since=Since.BODY, at=77, count=2))
    stand.cli(*UPLOAD)
    assert [seen.status // 100 for seen in stand.proxy.requests(SECOND)] == [4, 4, 2]
    stand.proven(content)


def test_ne_08_bits_flipped_again_and_again_are_an_integrity_error(stand: Stand) -> None:
    """The third refusal ends the upload with both hashes and a hint at memory; nothing is stored."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FLIP, where=SECOND, since=Since.BODY, at=77, count=None))
    error = stand.cli("--json", *UPLOAD, code=4).error
    part = content[MIB : 2 * MIB]
    damaged = part[:77] + bytes([part[77] ^ 1]) + part[78:]
    assert error["error"] == "IntegrityError"
    assert (error["expected"], error["actual"]) == (tree_hash(part).hex(), tree_hash(damaged).hex())
    assert "memory" in error["message"]
    assert len(stand.proxy.requests(SECOND)) == 3
    assert stand.count("archives") == 0


def test_ne_09_bits_flipped_on_the_way_down_give_no_file(stand: Stand) -> None:
    """The range is fetched twice more; then an integrity error ends the download without a file."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FLIP, Way.DOWN, where="/output", since=Since.BODY, at=99, count=None))
    told = download(stand, content, code=4)
    assert len(stand.proxy.requests("/output")) == 3
    assert tree_hash(content).hex() in told
    stand.proxy.clear()
    download(stand, content)


def test_ne_09_a_bit_flipped_once_on_the_way_down_costs_one_more_request(stand: Stand) -> None:
    """The second answer is right."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FLIP, Way.DOWN, where="/output", since=Since.BODY, at=99))
    download(stand, content)
    assert len(stand.proxy.requests("/output")) == 2


# --- requests that arrive twice, or late


async def test_ne_10_requests_delivered_twice_have_one_effect(stand: Stand) -> None:
    """Every part, the completion and the deletion arrive twice; one archive is made, and then deleted."""
    content = stand.file(SIZE)
    for where in ("PUT", "POST /-/vaults/v/multipart-uploads/", "DELETE"):
        stand.proxy.add(Trouble(Kind.TWICE, where=where, count=None))
    async with stand.connect() as glacier:
        vault = glacier.vault("v")
        archive = await vault.upload(stand.folder / "big", part_size=MIB)
        stand.proven(content)
        await vault.delete_archive(archive.id)
    assert stand.count("archives") == 0
    assert stand.proxy.struck() >= 5  # a request that is repeated after a lost answer arrives twice as well


async def test_ne_11_a_first_attempt_that_lands_late_does_no_harm(stand: Stand) -> None:
    """The same range always has the same bytes, so the last arrival is right."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.LATE, where=SECOND))
    async with stand.connect() as glacier:
        archive = await glacier.vault("v").upload(stand.folder / "big", part_size=MIB)
    assert archive.tree_hash == tree_hash(content)
    stand.proven(content)


# --- outages


@pytest.mark.parametrize("how", ["refused", "black hole"])
def test_ne_12_an_outage_of_five_minutes_is_waited_out(stand: Stand, lies: Lies, how: str) -> None:
    """An upload waits for a server that does not listen or answer, and continues."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FREEZE, where=SECOND, since=Since.BODY, at=9))
    with stand.started("-v", *UPLOAD, lies=lies) as process, ExitStack() as hole:
        stand.struck()
        stand.proxy.go_away()
        if how == "black hole":
            hole.enter_context(black_hole(stand.proxy.url))
        requests = len(stand.proxy.seen)
        lies.speed(400)
        time.sleep(0.75)  # five minutes by the program's clock
        assert process.poll() is None
        hole.close()
        stand.proxy.come_back()
        wait_for(lambda: len(stand.proxy.seen) > requests)
        lies.speed(20)  # other parts may have begun to wait for a minute
        done = stand.ended(process)
    assert "no connection" in done.err
    stand.proven(content)


@contextmanager
def black_hole(url: str) -> Iterator[None]:
    """Yield an address that neither accepts nor refuses connections: its queue is full."""
    place = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(place)
        yield


async def test_ne_12_a_name_that_cannot_be_looked_up_may_be_later(stand: Stand) -> None:
    """A failed look-up counts as a failed connection, which is tried again."""
    policy = RetryPolicy(no_progress_seconds=0.2, first_ceiling_seconds=0.01, longest_wait_seconds=0.01)
    where = "http://nowhere.invalid"
    async with stand.connect(
        policy=policy, endpoint_url=where, allow_insecure=True, timeouts=Timeouts(connect=60, first_byte=60)
    ) as glacier:
        with pytest.raises(ConnectionFailedError, match=r"nowhere\.invalid") as caught:
            await glacier.vault("v").describe()
    assert caught.value.is_retryable
    assert caught.value.attempts is not None


def test_ne_20_a_region_that_does_not_exist_fails_in_seconds(tmp_path: Path, lies: Lies) -> None:
    """A host without an address gives exit 5 after 5 s, and the message suggests a region."""
    cli = Cli(tmp_path, ("--region", "eu-west-11"), keys())
    lies.speed(10)
    with cli.loaded("vault", "list", env=cli.env(lies.environment)) as process:
        out, err = process.communicate(timeout=60)
    told = cli.judge(process.returncode, out, err, 5).err
    assert "Glacier has no region 'eu-west-11'; did you mean 'eu-west-1'?" in told


def test_ne_13_an_outage_beyond_patience_ends_with_a_way_on(stand: Stand, lies: Lies) -> None:
    """After 15 minutes without progress: exit 5, the progress, and a command that sends only the rest."""
    assert RetryPolicy().no_progress_seconds == 900
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FREEZE, where=SECOND, since=Since.BODY, at=9, count=None))
    with stand.started("--json", *UPLOAD, lies=lies) as process:
        wait_for(lambda: len([seen for seen in stand.proxy.requests("PUT") if seen.status == 204]) == 2)
        stand.proxy.go_away()
        stand.proxy.clear()
        lies.speed(500)
        done = stand.ended(process, 5)
    error = done.error
    assert error["sent"] == 2 * MIB
    assert error["vault"] == "v"
    assert error["upload_id"]
    assert 850 < error["elapsed_seconds"] < 1100
    assert error["attempts"] > 3
    stand.proxy.come_back()
    before = len(stand.proxy.requests("PUT"))
    stand.go_on(error["resume"])
    assert len(stand.proxy.requests("PUT")) - before == 1
    stand.proven(content)


# --- intermediaries


@contextmanager
def secure(tmp_path: Path, host: str = "127.0.0.1") -> Iterator[tuple[LocalGlacier, Path]]:
    """Yield a Glacier over TLS with a certificate for ``host``, and the certificates to trust."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    server = LocalGlacier(tmp_path / "tls", ssl_context=context, job_delay=0, inventory_lag=0)
    with serving(server):
        yield server, bundle


@pytest.mark.parametrize("wrong", ["certificate", "host name"])
def test_ne_14_a_certificate_that_is_not_accepted_ends_it_at_once(
    stand: Stand, tmp_path: Path, wrong: str
) -> None:
    """A bad certificate gives exit 1 with the reason after one connection, without retries."""
    with (
        secure(tmp_path, "127.0.0.1" if wrong == "certificate" else "example.com") as (server, bundle),
        proxying(server.url, is_raw=True) as proxy,
    ):
        trust = {} if wrong == "certificate" else {"AWS_CA_BUNDLE": str(bundle)}
        error = stand.cli_at(proxy.url)("--json", "vault", "list", code=1, environment=trust).error
        assert proxy.connections == 1
    assert error["error"] == "CertificateError"
    assert ("issuer" if wrong == "certificate" else "mismatch") in error["message"]


def test_ne_14_tls_that_is_cut_inside_a_record_is_begun_again(stand: Stand, tmp_path: Path) -> None:
    """Damaged TLS counts as a broken connection, in either direction and by either kind of end."""
    content = stand.file(SIZE)
    with secure(tmp_path) as (server, bundle), proxying(server.url, is_raw=True) as proxy:
        cli = stand.cli_at(proxy.url)
        cli.environment = {**cli.environment, "AWS_CA_BUNDLE": str(bundle)}
        cli("vault", "create", "v")
        proxy.add(Trouble(Kind.FIN, at=600_000), Trouble(Kind.RST, Way.DOWN, at=2_345, first=2))
        record = cli("--json", *UPLOAD).record
        assert proxy.struck() == 2
    assert record["tree_hash"] == tree_hash(content).hex()


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Run a server with one answer to every request; yield its URL and its requests."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """A handler that answers."""

        def answer(self) -> None:
            """Read the request, and answer."""
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append(self.requestline)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  # as the base class calls them

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "commands"),
    [(200, [("vault", "list"), UPLOAD, ("delete", "v", "A", "--yes")]), (407, [("vault", "list")])],
)
def test_ne_15_a_portals_page_is_never_a_success(
    stand: Stand, status: int, commands: list[tuple[str, ...]]
) -> None:
    """A page with status 200, or a proxy's 407, is named as such; exit 1."""
    stand.file(SIZE)
    with answering(status, {"Content-Type": "text/html"}, b"<html>Log in</html>") as (url, seen):
        for arguments in commands:
            error = stand.cli_at(url)("--json", *arguments, code=1).error
            assert error["error"] == UnexpectedResponseError.__name__
            assert "portal" in error["message"]
        assert seen


def test_ne_15_a_proxys_502_is_waited_out(stand: Stand, lies: Lies) -> None:
    """A page with 502 is retried, ends with exit 5, and is never a success."""
    with answering(502, {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>") as (url, seen):
        cli = stand.cli_at(url)
        with cli.loaded("--json", "vault", "list", env=cli.env(lies.environment)) as process:
            wait_for(lambda: bool(seen))
            lies.speed(600)
            done = stand.ended(process, 5)
    assert done.error.get("status", 502) == 502  # at this speed a slow machine may see a timeout instead
    assert len(seen) > 1
    assert not done.out


def test_ne_16_a_redirect_is_refused_with_both_places(stand: Stand) -> None:
    """Not one connection is made to the other place; exit 1."""
    stand.file(SIZE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        there = f"http://127.0.0.1:{other.getsockname()[1]}"
        with answering(307, {"Location": there + "/x"}, b"") as (url, seen):
            error = stand.cli_at(url)("--json", *UPLOAD, code=1).error
            assert (error["error"], error["origin"]) == ("RedirectRefusedError", url)
            assert there in error["message"]
            assert len(seen) <= 2  # the vault is asked for first, and the operation shows the refusal
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_ne_18_no_request_waits_for_permission_to_send(stand: Stand) -> None:
    """No request has an ``Expect`` header, so no server can withhold ``100 Continue``."""
    stand.file(SIZE)
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cli = stand.cli_at(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with cli.started("upload", "v", "big") as process:
            connection, _ = listener.accept()
            with connection:
                while b"\r\n\r\n" not in b"".join(heads):
                    heads.append(connection.recv(65536))
            process.kill()
    head = b"".join(heads).partition(b"\r\n\r\n")[0]
    assert head.startswith((b"POST", b"GET"))
    assert b"expect:" not in head.lower()


def test_ne_19_a_slow_line_is_no_stall(stand: Stand, lies: Lies) -> None:
    """16 MiB at 64 KB/s take four minutes by the program's clock, in one attempt without a warning."""
    content = stand.file(16 * MIB)
    stand.proxy.add(Trouble(Kind.RATE, where="POST", rate=64_000 * 200))
    with stand.started("-v", "upload", "v", "big", lies=lies) as process:
        stand.struck()
        lies.speed(200)
        done = stand.ended(process)
    assert "attempt" not in done.err
    assert len(stand.proxy.requests("POST")) == 1
    stand.proven(content)
