"""Archives that no ``sync`` made, chosen from the inventory and brought out of a vault."""
