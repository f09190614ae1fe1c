"""Retries: which requests are sent again, when, and for how long."""
