"""The operations of the vault API."""
