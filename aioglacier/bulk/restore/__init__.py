"""Restore a folder from a vault or a bucket."""
