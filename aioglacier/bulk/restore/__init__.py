"""A folder back from a vault."""
