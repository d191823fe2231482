"""The key that a client gives a mutation: the same key with the same content is the same act."""

from services.refusal import CodedError

LONGEST_KEY = 200


def key_of(key: str) -> str:
    """Raises CodedError."""
    if not 0 < len(key) <= LONGEST_KEY:
        english = f"idempotencyKey: 1 to {LONGEST_KEY} characters are expected."
        raise CodedError("BAD_USER_INPUT", english, f"idempotencyKey : de 1 à {LONGEST_KEY} caractères sont attendus.")
    return key
