"""The objects that users hold: connection, vaults, jobs, uploads and inventories."""
