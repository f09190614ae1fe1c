"""The operations of both services, a room for each service."""
