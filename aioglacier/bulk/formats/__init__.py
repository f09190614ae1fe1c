"""Formats inside archives: tar, zstd, age, bundles."""
