"""Output for people and programs: sizes, records, progress."""
