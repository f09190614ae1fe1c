"""Archives a folder in a vault or a bucket."""
