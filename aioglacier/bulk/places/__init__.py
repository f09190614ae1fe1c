"""Places that keep folders: what differs between a vault and a bucket."""
