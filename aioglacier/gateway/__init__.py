"""The one room that knows AWS: a typed method for each operation, models and errors instead of dicts.

``Gateway`` is what the rest of the house sees. ``AwsGateway`` is the real one, on two planes: botocore builds
and parses the small JSON calls, and bodies travel as slices of the caller's memory; both leave through one
``Wire``, which signs with live credentials, sends over aiohttp to one origin, and judges what comes back.
``RetryingGateway`` holds another gateway and is the only layer that tries again.
"""
