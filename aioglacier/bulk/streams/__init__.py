"""Streams longer than one archive, there and back."""
