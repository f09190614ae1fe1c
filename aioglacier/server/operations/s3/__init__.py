"""The operations of S3, one module for each group."""
