"""The operations on vaults, one module for each group."""
