"""The program: settings, session, signals, errors and exit codes."""
