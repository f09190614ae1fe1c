"""Concurrency vocabulary: threads, cancellation and task groups, for every room above."""
