"""The records that a connection with a catalog makes of its uploads, jobs and deletions."""
