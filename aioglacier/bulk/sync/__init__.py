"""A folder to a vault."""
