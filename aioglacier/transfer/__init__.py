"""Transfers of bytes: part buffers, hash workers, the engine that carries parts, writer and reader.

The engine knows a store, not Glacier; a part's description is plain data that another process can act on.
"""
