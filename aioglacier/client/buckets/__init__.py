"""S3 buckets: objects go in and come back. Loaded when a bucket is first used."""
