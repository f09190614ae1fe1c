"""Bounds: memory, connections, and what the machine grants."""
