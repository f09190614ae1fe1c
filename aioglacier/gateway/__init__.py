"""The one room that knows AWS: a typed method for each operation, models and errors instead of dicts.

``Gateway`` is what the rest of the house sees. ``AwsGateway`` is the real one, on two planes: aiobotocore
for credentials, configuration and the small JSON calls; aiohttp itself for bodies, which travel as slices of
the caller's memory. ``RetryingGateway`` holds another gateway and is the only layer that tries again.
"""
