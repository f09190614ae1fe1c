"""Databases under the catalog: SQLite in a file, or PostgreSQL."""
