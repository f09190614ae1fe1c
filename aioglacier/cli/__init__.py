"""The command line: commands parse, call, print and return an exit code; what they do lives below.

``program.py`` finds a command by its name and loads only that one. What every command shares, which is the
global options, where output goes, and what a signal does, is in a ``Session``.
"""
