"""Whom we believe that they are who they say, when we are the client."""

import ssl
from functools import cache

import httpx2


@cache
def trusted() -> ssl.SSLContext:
    """The authorities, for `httpx2.AsyncClient(verify=trusted())`: read once a process. Reading them takes longer than most requests do,
    and meanwhile the process answers nobody. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others."""
    return httpx2.create_ssl_context()
