"""Passwords that cost next to nothing to check: of the thousands that tests check, each would take a fortieth of a second.

Kept as argon2id all the same. What is about the price, or must meet others at it, asks for `dear_passwords`. `preau up` knows nothing of this.
"""

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from services.identity import hashing

DEAR = hashing._argon2
CHEAP = PasswordHash((Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1),))


def make_cheap() -> None:
    """In this process, from now on."""
    hashing._argon2 = CHEAP


def are_cheap() -> bool:
    return hashing._argon2 is CHEAP
