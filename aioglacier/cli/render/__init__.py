"""What people and programs read: sizes, records, progress."""
