"""Who needs a second factor beside the password, and what it keeps from whoever has not shown it."""

from collections.abc import Mapping
from enum import StrEnum

DEFAULT = "second_factor"  #: What the installation asks, among a process's resources.


class SecondFactor(StrEnum):
    """What a structure asks of its agents. A family's is always its own choice."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class FactorKind(StrEnum):
    """How somebody shows that it is them."""

    TOTP = "TOTP"  #: Six digits of an application on their telephone.
    PASSKEY = "PASSKEY"  #: A key in their device, unlocked by a finger, a face or a code.


def kept_back(asked: Mapping[str, SecondFactor | None], default: SecondFactor, *, shown: bool) -> frozenset[str]:
    """Of the structures that an account works for, those whose rank it has not: a second factor is asked, and was not shown.

    `asked`: what each structure asks, None where it leaves that to the installation's `default`.
    """
    if shown:
        return frozenset()
    return frozenset(structure for structure, wanted in asked.items() if (wanted or default) is SecondFactor.REQUIRED)
