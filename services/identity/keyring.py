"""What has to be readable again, such as the secret of somebody's codes, lies sealed in the database: its dump alone opens nothing.

The key is in a setting. Several by commas: the first seals, all open, so that a key can be changed.
"""

import hashlib

from joserfc.errors import JoseError

from services.identity.sealing import seal, unseal
from services.settings import SettingsError

BYTES = 32


class SealBroken(Exception):
    """No key that we have opens it, or it was sealed for something else."""


class Keyring:
    """One per process."""

    def __init__(self, keys: str) -> None:
        """Raises SettingsError, which does not repeat the key."""
        try:
            secrets = [bytes.fromhex(key.strip()) for key in keys.split(",")]
        except ValueError:
            secrets = []
        if not secrets or any(len(secret) != BYTES for secret in secrets):
            raise SettingsError(f"PREAU_FIELD_KEY is {2 * BYTES} hexadecimal digits; several by commas: the first seals, all open")
        self._keys = {hashlib.sha256(secret).hexdigest()[:8]: secret.hex() for secret in secrets}
        self._first = next(iter(self._keys))

    def seal(self, purpose: str, text: str) -> str:
        """`purpose` says whose and what it is: for nothing else will it open."""
        return f"{self._first}.{seal({'for': purpose, 'text': text}, self._keys[self._first])}"

    def open(self, purpose: str, sealed: str) -> str:
        """Raises SealBroken."""
        kid, _, rest = sealed.partition(".")
        try:
            words = unseal(rest, self._keys[kid])
        except (JoseError, ValueError, KeyError) as error:
            raise SealBroken(f"{purpose}: is PREAU_FIELD_KEY the one that it was sealed with?") from error
        if words is None or words["for"] != purpose:
            raise SealBroken(f"{purpose}: is PREAU_FIELD_KEY the one that it was sealed with?")
        return str(words["text"])
