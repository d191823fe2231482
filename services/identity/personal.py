"""What identity knows of people, and what becomes of it when a family, or an account that nobody else needs, is erased (privacy.py)."""

from services.personal import Fate, Fates

#: Table -> column -> fate; a fate alone is that of all columns. What hangs on an account goes with it, whatever the table.
FATES: Fates = {
    "structure": Fate.NOBODY,
    "announcement": Fate.NOBODY,
    "account": Fate.DELETED,
    "undeliverable": Fate.DELETED,
    "unattached": Fate.DELETED,
    "credential": Fate.DELETED,
    "membership": Fate.DELETED,
    "agent_role": Fate.DELETED,
    "operator": Fate.DELETED,
    "family": Fate.NUMBER,
    "family_adult": Fate.DELETED,
    "child": Fate.DELETED,
    "erasure": Fate.TRAIL,
    "data_request": Fate.DELETED,
    "data_part": Fate.DELETED,
    "link_key": Fate.NOBODY,
    "act": Fate.TRAIL,  # Sealed with the key of whom it is about, which is deleted.
    "invitation": Fate.DELETED,
    "subject_key": Fate.DELETED,
    "account_session": Fate.DELETED,
    "refresh_token": Fate.DELETED,
    "reset_token": Fate.DELETED,
    "address_token": Fate.DELETED,
    "recovery_code": Fate.DELETED,
    "known_device": Fate.DELETED,
    "factor": Fate.DELETED,
    "challenge": Fate.DELETED,
    "outside_identity": Fate.DELETED,
    "viewing": Fate.TRAIL,  # Ids alone.
    "asked_once": Fate.PASSING,
    "oidc_state": Fate.PASSING,
    "attempt": Fate.PASSING,
    "signing_key": Fate.NOBODY,
    "secret": Fate.NOBODY,
}
