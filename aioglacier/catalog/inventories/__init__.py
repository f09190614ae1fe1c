"""Inventories of vaults: read from files, compared with each other, and merged into the records."""
