"""Archiving to Amazon S3 Glacier vaults: await a writer, get an archive."""
