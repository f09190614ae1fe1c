"""The facts that workers get, and the secrets that they do not get."""

from __future__ import annotations

import pickle

import pytest

from aioglacier.bulk.archives.output_run import OutputRun
from aioglacier.bulk.file_hashes import FileRange, HashRun
from aioglacier.cluster.site import Site
from aioglacier.core.errors import ClusterError
from aioglacier.core.models import JobId, UploadId
from aioglacier.core.rate_schedule import RateSchedule
from aioglacier.files.shared import SharedFile, SharedFolder
from aioglacier.gateway.contract.options import GatewayOptions, Timeouts
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.retrieval_source import JobSource
from aioglacier.transfer.store import Destination
from aioglacier.transfer.upload.part_run import PartRun

OPTIONS = GatewayOptions(
    region_name="eu-west-1",
    endpoint_url="https://glacier.eu-west-1.amazonaws.com",
    profile_name="museum",
    timeouts=Timeouts(connect=1.0, first_byte=2.0, stall=3.0, give_up=4.0),
)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "a-session-token"
RUN = PartRun(
    file=SharedFile("/shared/film.mkv", 5, 2**40, 6, b"\1" * 32),
    destination=Destination("v"),
    upload_id=UploadId("u" * 92),
    part_size=2**24,
    first=64,
    parts=64,
)
HASHES = HashRun(SharedFolder("/shared/photos", 5), (FileRange(b"a/film.mkv", 0, 2**26, 2**40),))
MOVE = OutputRun(
    source=JobSource("v", JobId("j" * 92), 2**40, b"\1" * 32, allows_unverified=False),
    destination=Destination("museum", "old/film", owner="012345678901"),
    upload_id=UploadId("u" * 92),
    part_size=2**26,
    first=8,
    parts=8,
)


def test_keys_of_this_process_stay_here() -> None:
    """Keys that are given to the connection are refused, with the places where workers look for theirs."""
    keys = GatewayOptions(
        region_name="eu-west-1",
        endpoint_url="https://glacier.eu-west-1.amazonaws.com",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=SECRET,
        aws_session_token=TOKEN,
    )
    with pytest.raises(ClusterError, match="AWS_ACCESS_KEY_ID") as caught:
        Site.of(keys, Limits(), None, is_local=False)
    assert SECRET not in str(caught.value)


def test_nothing_that_travels_has_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks and the facts of a connection are small, and have no credential of any source."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", TOKEN),
        ("HTTPS_PROXY", f"http://user:{SECRET}@proxy"),
    ):
        monkeypatch.setenv(name, value)
    for task in (RUN, HASHES, MOVE):
        sent = pickle.dumps((task, Site.of(OPTIONS, Limits(), None, is_local=False)))
        assert SECRET.encode() not in sent
        assert TOKEN.encode() not in sent
        assert b"AKIDEXAMPLE" not in sent
        assert len(sent) < 1024


def test_a_proxy_and_a_schedule_do_not_travel() -> None:
    """The URL of a proxy may hold a password, and a schedule is not shared by several processes."""
    proxied = GatewayOptions(region_name="eu-west-1", endpoint_url="https://x", proxy="http://u:p@proxy")
    with pytest.raises(ClusterError, match="HTTPS_PROXY"):
        Site.of(proxied, Limits(), None, is_local=False)
    with pytest.raises(ClusterError, match="time of day"):
        Site.of(OPTIONS, Limits(bandwidth=RateSchedule((), 5000)), None, is_local=False)


def test_a_worker_opens_the_same_connection_with_its_share() -> None:
    """Place, times and profile are those of the coordinator; connections and rate are shared by all tasks."""
    site = Site.of(
        OPTIONS, Limits(memory=2**25, concurrency=20, bandwidth=10_000), "https://s3", is_local=False
    )
    options, limits = site.options(4), site.limits(4)
    assert (options.region_name, options.endpoint_url) == (OPTIONS.region_name, OPTIONS.endpoint_url)
    assert (options.profile_name, options.timeouts) == ("museum", OPTIONS.timeouts)
    assert (options.bandwidth, options.max_connections) == (2500, 5)
    assert (limits.memory, limits.concurrency, limits.bandwidth) == (2**25, 5, 2500)
    assert options.aws_access_key_id is None


def test_workers_of_one_machine_share_one_rate() -> None:
    """Each may use all of it while the others send nothing; on other machines each has its part."""
    limits = Limits(bandwidth=10_000, shares_bandwidth=True)
    here = Site.of(OPTIONS, limits, None, is_local=False, is_here=True).options(4)
    assert (here.bandwidth, here.shares_bandwidth) == (10_000, True)
    away = Site.of(OPTIONS, limits, None, is_local=False).options(4)
    assert (away.bandwidth, away.shares_bandwidth) == (2500, False)


def test_a_share_is_never_nothing() -> None:
    """With more tasks than connections, each has one."""
    limits = Site.of(OPTIONS, Limits(concurrency=2, bandwidth=2000), None, is_local=False).limits(64)
    assert (limits.concurrency, limits.bandwidth) == (1, 1024)


def test_a_dashboard_shows_what_a_task_does() -> None:
    """The name of a task says what it does with which parts of which file; the first words group tasks."""
    assert RUN.title == "send-parts-64-to-127-of-film.mkv"
    assert RUN._replace(upload_id=None).title == "hash-parts-64-to-127-of-film.mkv"
    assert RUN.size == 64 * 2**24
    assert HASHES.title == "hash-files-1-of-photos"
    assert MOVE.title == "move-parts-8-to-15-of-film"
