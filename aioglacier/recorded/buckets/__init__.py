"""Records and contexts of S3 buckets."""
