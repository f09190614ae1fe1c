"""What users hold: connection, vaults, jobs, uploads, inventories."""
