"""The protocol: documents, signatures, ids and refusals of the service."""
