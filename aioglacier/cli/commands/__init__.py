"""The commands, one module each; ``program.py`` has the list."""
