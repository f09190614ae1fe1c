"""Records of folders: paths, their versions, and the archives that hold them."""
