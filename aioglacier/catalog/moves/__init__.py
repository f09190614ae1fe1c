"""Records of archives on their way out of a vault, and of works that processes divide."""
