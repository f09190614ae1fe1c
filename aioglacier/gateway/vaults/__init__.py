"""The vault API: the table of its operations, and the caller that performs them over a wire."""
