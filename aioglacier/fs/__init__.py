"""File systems for fsspec, and so for pandas, pyarrow, Dask and all that take its addresses.

Needs the extra ``fsspec``. ``glacier://VAULT/NAME`` and ``s3archive://BUCKET/KEY`` work wherever
fsspec does, without any import.
"""

from __future__ import annotations

from aioglacier.fs.bucket_files import S3ArchiveFileSystem
from aioglacier.fs.vault_files import GlacierFileSystem

__all__ = ["GlacierFileSystem", "S3ArchiveFileSystem"]
