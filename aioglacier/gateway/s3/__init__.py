"""The S3 API as far as archives need it: the table of its operations, and their caller over a wire."""
