"""Folders in vaults: taken there, brought back, compared; small files packed together."""
