"""The work of the server without a request: jobs end, uploads expire, notifications are sent."""
