"""Everything that is known of a family, as its adults may read it (RGPD, art. 15 and 20): collected, packed and sealed.

It travels as an event: packed, in parts that the broker takes, and sealed with the request's own public key, so that nobody reads it
but identity. What opens something, passwords' and tokens' sums for instance, is told to nobody.
"""

import asyncio
import base64
import datetime as dt
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from joserfc import jwe
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey
from sqlalchemy import ColumnElement, Table, select
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

HEADER = {"alg": "ECDH-ES", "enc": "A256GCM"}
ALGORITHMS = ["ECDH-ES", "A256GCM"]
PART_BYTES = 250_000  #: Sealed it is a third more.


class OwnRegistry(JWERegistry):
    """What we sealed ourselves may be larger than what strangers send."""

    max_ciphertext_length = 16_000_000


Told = dict[str, Any]  #: Table -> {"about": what its rows are, "rows": [...]}, each with its columns' names.
Whose = Mapping[type[SQLModel], ColumnElement[bool]]  #: Rows -> those that are told.


async def told(session: AsyncSession, whose: Whose, but: Collection[str] = ()) -> Told:
    """`but`: columns that are told to nobody."""
    found: Told = {}
    for rows, mine in whose.items():
        table: Table = rows.metadata.tables[str(rows.__tablename__)]
        columns = [column for column in table.columns if column.name not in but]
        kept = (await (await session.connection()).execute(select(*columns).where(mine).order_by(*table.primary_key))).mappings()
        about = " ".join((rows.__doc__ or "").split())
        found[table.name] = {"about": about, "rows": [dict(row) for row in kept]}
    return found


def sealed(what: Told, key: Mapping[str, str]) -> list[str]:
    """In parts."""
    packed = zlib.compress(orjson.dumps(what, _plain, orjson.OPT_NON_STR_KEYS), 9)
    public = ECKey.import_key(dict(key))
    pieces = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    return [jwe.encrypt_compact(HEADER, piece, public, algorithms=ALGORITHMS) for piece in pieces]


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def opened(parts: Sequence[str], key: Mapping[str, str]) -> Told:
    private = ECKey.import_key(dict(key))
    registry = OwnRegistry(algorithms=ALGORITHMS)
    pieces = [jwe.decrypt_compact(part, private, registry=registry).plaintext or b"" for part in parts]
    found: Told = orjson.loads(zlib.decompress(b"".join(pieces)))
    return found


def new_key() -> dict[str, str]:
    """The private key of one request."""
    made: dict[str, str] = {name: str(value) for name, value in ECKey.generate_key("P-256", auto_kid=False).as_dict(private=True).items()}
    return made


def public_part(key: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in key.items() if name != "d"}


async def in_parts(kind: Any, event: Any, what: Told, now: dt.datetime) -> list[Any]:
    """The answer of a service to DataRequested, as events of that kind. Ten years take a second to pack: nobody else waits for that."""
    parts = await asyncio.to_thread(sealed, what, event.key)
    about = {"structure": event.structure, "occurred_at": now, "request": event.request, "expires_at": event.expires_at}
    return [kind(**about, part=number, parts=len(parts), sealed=part) for number, part in enumerate(parts, 1)]
