"""The commands about archives, where the place is a bucket: uploads, downloads, lists, deletions."""
