"""Uploads: sources, parts, the engine that carries them, and the writer."""
