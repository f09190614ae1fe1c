"""S3's objects as values, and the checks of what S3 would refuse."""
