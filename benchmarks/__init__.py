"""Benchmarks, one question for each file: ``python -m benchmarks NAME``; ``--quick`` takes seconds.

Each prints one JSON object with the machine, the versions and the figures, and with ``--output FILE`` appends
it to a file. Compared clients take turns within one run, because the machine's speed drifts; compare ratios.
"""
