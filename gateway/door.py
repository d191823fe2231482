"""Who asks, where the supergraph guards something (@authenticated, @requiresScopes). What is guarded here the services guard once more."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from services.claims import Caller, PublicKey, Verifier

#: Between two looks for keys, when somebody comes with a token that none of the known keys has signed.
KEYS_SECONDS = 10.0


@dataclass(slots=True)
class Door:
    verifier: Verifier
    keys: Callable[[], Awaitable[bytes]]  #: -> identity's public keys, as a JWK set; nothing, if it cannot be asked
    _looked_at: float = -KEYS_SECONDS

    async def scopes(self, authorization: str | None) -> frozenset[str] | None:
        """Of an Authorization header. None: it is nobody's."""
        if authorization is None:
            return None
        caller = self.verifier.caller(authorization)
        if caller is None and time.monotonic() >= self._looked_at + KEYS_SECONDS:
            self._looked_at = time.monotonic()
            self._trust(await self.keys())
            caller = self.verifier.caller(authorization)
        return None if caller is None else scopes_of(caller)

    def _trust(self, told: bytes) -> None:
        keys = msgspec.json.decode(told)["keys"] if told else ()
        now = time.time()
        self.verifier.trust(*(PublicKey(key["kid"], key, now + age) for age, key in enumerate(keys)))


def scopes_of(caller: Caller) -> frozenset[str]:
    """family, agent, administrator, operator: what the account is, wherever it is that."""
    ranks = {"family": caller.families, "agent": caller.agent_of, "administrator": caller.admin_of, "operator": caller.operator}
    return frozenset(name for name, held in ranks.items() if held)
