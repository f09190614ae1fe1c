"""Options, questions and messages of several commands."""
