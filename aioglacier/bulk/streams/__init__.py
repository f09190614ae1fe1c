"""Archive and restore streams that are longer than one archive."""
