"""A table in Markdown, and what the rows for each client say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The meaning of a client's name.
CLIENTS: Final = {
    "floor": "floor: read, hash twice with hashlib, `sendall`; one thread",
    "floor+native": "floor: read, hash twice in one pass, `sendall`; one thread",
    "aioglacier": "**aioglacier**",
    "aioglacier+hashlib": "aioglacier, without the native core",
    "aioglacier+threads": "aioglacier, hashing in threads",
    "aioglacier+uvloop": "aioglacier on uvloop",
    "boto3": "boto3, 4 threads",
    "boto3+sequential": "boto3, one part after the other",
    "boto3+combined": "boto3, 4 threads, tree hash combined by hand",
    "aiobotocore": "aiobotocore, gathering 4",
    "aiobotocore+combined": "aiobotocore, gathering 4, tree hash combined by hand",
    "glacier_upload": "glacier_upload, 4 threads",
    "aws-cli": "AWS CLI, one request",
    "aioglacier-cli": "`aioglacier upload`, the whole command",
    "aiohttp": "bare aiohttp and a signature",
    "floor-download": "floor: receive, hash with hashlib, write, sync; one thread",
    "floor-download+native": "floor: receive, hash, write, sync; one thread",
    "aioglacier-download": "**aioglacier**, to a file",
    "aioglacier-download+threads": "aioglacier, to a file, hashing in threads",
    "aioglacier-download+hashlib": "aioglacier, to a file, without the native core",
    "aioglacier-download+reader": "aioglacier, through a reader to nowhere",
    "aioglacier-download-cli": "`aioglacier download ... -`, the whole command, to a pipe",
    "boto3-download": "boto3, 4 threads, nothing verified or synced",
    "floor-s3": "floor: read, SHA-256 and tree hash in one pass, `sendall`; one thread",
    "floor-s3+processes": "the same floor, a process for each core",
    "floor-s3+crc64nvme": "floor: read, CRC64NVME, `sendall`; one thread",
    "aioglacier-s3": "**aioglacier**, a file, SHA-256 and tree hash",
    "aioglacier-s3+writer": "**aioglacier**, a stream, SHA-256 and tree hash",
    "aioglacier-s3+crc64nvme": "**aioglacier**, a file, CRC64NVME",
    "obstore-s3": "obstore `put_async`, a file, SHA-256",
    "obstore-s3+writer": "obstore `open_writer_async`, a stream, SHA-256",
    "awscrt-s3": "awscrt S3 client, a file, SHA-256",
    "awscrt-s3+crc64nvme": "awscrt S3 client, a file, CRC64NVME",
    "boto3-s3": "boto3 `upload_file`, a file, SHA-256",
    "s5cmd-s3": "s5cmd, the whole command",
    "rclone-s3": "rclone, the whole command",
}


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def size_name(size: int) -> str:
    """Return a size like "16 MiB"."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} B"
