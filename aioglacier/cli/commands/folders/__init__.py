"""Commands about folders."""
