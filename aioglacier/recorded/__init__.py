"""What a connection with a catalog records of uploads, jobs and deletions."""
