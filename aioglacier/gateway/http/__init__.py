"""Requests over HTTP: sign, send, wait, read, judge. The same for every service."""
