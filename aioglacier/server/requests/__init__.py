"""One request: received, given faults, answered."""
