"""Clients that benchmarks compare, each run in its own process.

``python -m benchmarks.clients NAME JSON`` does the task that the JSON describes and prints a JSON object with
the seconds and the CPU seconds of the transfer itself, without interpreter and imports. A name is a client's,
with what is special about it after plus signs: "aioglacier+threads", "floor+native".
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure
from benchmarks.meter import METER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEYS: Final[dict[str, Any]] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}

#: Module and function of each client; only the measured client is loaded.
_CLIENTS: Final = {
    "floor": "floors:upload",
    "floor-download": "floors:download",
    "aioglacier": "ours:upload",
    "aioglacier-download": "ours:download",
    "aioglacier-small": "ours:upload_small",
    "boto3": "peers:boto3_upload",
    "boto3-small": "peers:boto3_small",
    "boto3-download": "peers:boto3_download",
    "aiobotocore": "peers:aiobotocore_upload",
    "aiobotocore-small": "peers:aiobotocore_small",
    "aiohttp-small": "peers:aiohttp_small",
    "glacier_upload": "peers:glacier_upload",
    "floor-s3": "floors:upload_object",
    "aioglacier-s3": "ours:upload_object",
    "boto3-s3": "s3_peers:boto3_upload",
    "obstore-s3": "s3_peers:obstore_put",
    "awscrt-s3": "s3_peers:awscrt_upload",
    "floor-move": "moves:floor",
    "aioglacier-move": "moves:ours",
    "boto3-move": "moves:boto3_threads",
}

#: Commands run as processes and have no clock inside. The AWS CLI has no command that
#: sends a file in parts: up to 4 GiB it sends all in one request.
_PROGRAMS: Final = {
    "aws-cli": "aws glacier upload-archive --account-id - --vault-name v --body {task.path}",
    "s5cmd-s3": "s5cmd --no-verify-ssl cp --concurrency {task.concurrency} --part-size {mib} "
    "{task.path} s3://bucket/k",
    "rclone-s3": "rclone copyto --config= --retries=1 --low-level-retries=1 --no-check-certificate "
    "--multi-thread-streams=0 --s3-no-check-bucket --s3-no-head --s3-use-multipart-etag=false "
    "--s3-upload-cutoff={mib}Mi "
    "--s3-chunk-size={mib}Mi --s3-upload-concurrency={task.concurrency} --ignore-checksum --ignore-times "
    '{task.path} :s3,provider=Other,env_auth=true,endpoint="{task.url}":bucket/k',
    "aioglacier-cli": "aioglacier --endpoint-url {task.url} --region us-east-1 "
    "--concurrency {task.concurrency} upload v {task.path} --part-size {task.part_size} --json",
    "aioglacier-download-cli": "aioglacier --endpoint-url {task.url} --region us-east-1 "
    "--concurrency {task.concurrency} download v - --job-id J{task.size}",
}


@dataclass(frozen=True)
class Task:
    """The task of a client.

    Attributes:
        url: Of the sink.
        path: The file, to send or to write; "-" is standard input.
        size: Bytes of the archive, or of each small one.
        part_size: None leaves it to the client.
        concurrency: Bodies at once; None leaves it to the client.
        count: How many small archives.
        memory_limit: Bytes of part buffers, for ours.
        certificates: A file with the authority's certificate, on TLS.
        is_watched: Note how long an event loop keeps others waiting.
        traits: What is special: "threads", "native", ...
    """

    url: str = ""
    path: str = ""
    size: int = 0
    part_size: int | None = None
    concurrency: int | None = 4
    count: int = 0
    memory_limit: int | None = None
    certificates: str | None = None
    is_watched: bool = False
    traits: tuple[str, ...] = ()


def run(name: str, task: Task, *, stdin: int | None = None, stdout: int | None = None) -> measure.Cost:
    """Run a client in a process of its own."""
    client, *traits = name.split("+")
    if client in _PROGRAMS:
        mib = (task.part_size or 0) // measure.MIB
        command = [word.format(task=task, mib=mib) for word in _PROGRAMS[client].split(" ")]
        command[0] = str(Path(sys.executable).with_name(command[0]))
    else:
        command = [sys.executable, "-m", "benchmarks.clients", name, json.dumps(asdict(task))]
    return measure.run(command, stdin=stdin, stdout=stdout, env=environment(task, traits))


def environment(task: Task, traits: Any = ()) -> Mapping[str, str]:
    """Return the environment of a client; some clients find all settings there."""
    found = os.environ | {
        "AWS_ENDPOINT_URL_GLACIER": task.url,
        "S3_ENDPOINT_URL": task.url,  # s5cmd's
        "AWS_REGION": KEYS["region_name"],
        "AWS_DEFAULT_REGION": KEYS["region_name"],
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if task.path.startswith("/"):
        found["XDG_DATA_HOME"] = str(Path(task.path).parent / "data")  # where the command keeps its catalog
    if task.certificates:
        found["AWS_CA_BUNDLE"] = task.certificates
    if "hashlib" in traits:
        found["AIOGLACIER_NATIVE"] = "0"
    return found


def main() -> None:
    """Run the client that the command line names."""
    name, *traits = sys.argv[1].split("+")
    task = replace(Task(**json.loads(sys.argv[2])), traits=tuple(traits))
    module, _, function = _CLIENTS[name].partition(":")
    client: Callable[[Task], None] = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    METER.watches = task.is_watched
    client(task)
    METER.stop()
    print(json.dumps(METER.report))


if __name__ == "__main__":
    main()
