"""The concurrency vocabulary of every room above: threads, cancellation, task groups, dropped objects."""
