"""Credentials: find them, keep them current, and keep them out of logs."""
