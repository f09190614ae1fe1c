"""Reading files that are archived, naming files that are written, and keeping files between runs."""
