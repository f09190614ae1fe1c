"""Calls of a table's rows over a wire: requests from rows, answers as results, outputs read as they come."""
