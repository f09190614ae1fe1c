"""The one room that knows AWS and HTTP.

``Gateway`` has a typed method for each operation, with models and errors instead of documents and statuses.
``VaultCaller`` sends each operation once, over a ``Wire`` that signs, sends to one origin and raises what a
bad answer stands for. ``RetryingGateway`` holds another gateway and is the only layer that tries again.
"""
