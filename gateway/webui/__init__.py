"""The page at ``/ui``, a client of the HTTP API."""
