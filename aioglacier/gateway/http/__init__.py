"""Requests over HTTP: build, sign, send, wait, judge. The same for every service."""
