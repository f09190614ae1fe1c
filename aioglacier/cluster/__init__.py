"""Other processes that do work, on this machine or on others, by Dask."""
