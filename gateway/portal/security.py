"""The headers of every page."""

from collections.abc import Iterable

from starlette.responses import Response

from gateway.portal import assets

COMMON = {
    "cache-control": "private, no-cache",  # Back shows the page as it was, and nobody else's cache keeps it.
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "vary": "accept-encoding, accept-language, cookie",
}
#: Beside these, where the address or the page is a secret: kept nowhere, told to nobody.
SECRET = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}


def secret(response: Response) -> Response:
    response.headers.update(SECRET)
    return response


def headers(styles: str, form_targets: Iterable[str] = ()) -> dict[str, str]:
    """`form_targets`: origins beside ours where a form may lead, at last: a payment site. Chromium follows redirects with this in mind."""
    policy = [
        "default-src 'none'",
        f"script-src 'self' {assets.hash_of(assets.SCRIPTED)}",
        f"style-src {assets.hash_of(styles)}",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        " ".join(["form-action 'self'", *form_targets]),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return {**COMMON, "content-security-policy": "; ".join(policy)}
