"""State: records, bytes, clock and settings of a local Glacier."""
