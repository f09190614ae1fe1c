"""Hashing: worker processes, threads, and the part jobs that both execute."""
