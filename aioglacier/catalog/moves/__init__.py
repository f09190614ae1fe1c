"""Records of archives on their way out of a vault."""
