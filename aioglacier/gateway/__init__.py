"""The one room that knows AWS: a typed method for each operation, models and errors instead of dicts.

Other rooms see ``Gateway``, the table of operations. ``VaultCaller`` performs each operation once through one
``Wire``, which signs with live credentials, sends over aiohttp to one origin, and judges the answer.
``RetryingGateway`` holds another gateway and is the only layer that tries again.
"""
