"""Files that this program keeps for its user between runs: where they are, and who may use them now."""
