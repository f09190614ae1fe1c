"""The protocols that other rooms see, and the options of a connection."""
