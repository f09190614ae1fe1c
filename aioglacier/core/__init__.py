"""Decisions without I/O: limits, models, errors, tree hash, plans, the ledger of an upload.

Nothing here awaits, opens a file, reads a clock or imports outside the standard library, so a test can
exhaust it in milliseconds and both the client and the local server may rest on it.
"""
