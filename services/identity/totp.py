"""Codes of six digits that change every half minute (RFC 6238), from a secret that the telephone and we share."""

import datetime as dt
import hmac

import pyotp
import segno

STEP_SECONDS = 30
DRIFT = 1  #: Steps that a telephone's clock may be before or behind ours.
DIGITS = 6
ISSUER = "Préau"


def new_secret() -> str:
    """160 bits in base32, as applications take them."""
    return pyotp.random_base32()


def uri(secret: str, login: str) -> str:
    """otpauth://..., what the square code says."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def square(uri: str) -> str:
    """The QR code as one SVG element, black on white whatever the page's colours are."""
    return segno.make(uri, error="m", micro=False).svg_inline(scale=4, border=4, light="white")


def accepted_step(secret: str, code: str, now: dt.datetime, after: int) -> int | None:
    """The step that this is the code of, if it is later than `after`: a code is good once. None: it is wrong, or was used."""
    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    current = int(now.timestamp()) // STEP_SECONDS
    generator = pyotp.TOTP(secret)
    near = range(current - DRIFT, current + DRIFT + 1)
    right = [step for step in near if hmac.compare_digest(generator.at(step * STEP_SECONDS), digits)]
    return next((step for step in right if step > after), None)
