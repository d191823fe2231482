"""Who is to be trusted over TLS is read once a run, not by each client that a test makes: that took longer than what the client then asked."""

from functools import cache

import httpcore2


def read_once() -> None:
    """For every client that is made from now on, in this process."""
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
