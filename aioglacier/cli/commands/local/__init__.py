"""Commands that need no account."""
