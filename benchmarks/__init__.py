"""Measurements, one question a file: ``python -m benchmarks NAME``, with ``--quick`` for one of seconds.

Each prints one JSON object with the machine, the versions and the figures, and with ``--output FILE`` appends
it to a file. Compared things run in turns in one run, and ratios are what counts: the machine's speed drifts.
"""
