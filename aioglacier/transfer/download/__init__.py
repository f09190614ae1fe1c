"""Downloads: verified pieces to a file or to a reader."""
