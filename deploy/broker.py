"""What the broker lets whom do: an account for our own processes, one for each partner. `accounts.conf` and the keys are written here.

A partner is another system of one town. In an account of its own it hears the town's subjects, pulls from its one durable consumer,
acknowledges, and goes back to where it likes; whatever else it publishes stays with itself. Its consumer is made by us: whoever may
make one may have the broker deliver to any subject.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from deploy.trouble import Trouble
from services import nkeys
from services.bus import INBOX, STREAM, WAKE
from services.events import BY_TYPE, EVERYBODY, INTERNAL, PUBLIC, KeyWithdrawn, TokensRevoked
from services.settings import SERVICES

FOLDER = "broker"  #: In the data folder of an embedded system.
ACCOUNTS = "accounts.conf"
PARTNERS = "partners.json"
OPERATOR = "operator"  #: The commands.
OURS = (*SERVICES, "gateway", OPERATOR)
NACK = "nack"  #: The NATS controller of a cluster, which makes the public stream and its consumers in our stead.
SYSTEM = "system"  #: Who looks after the servers of a cluster, by NATS' own commands.
DOMAIN = PUBLIC.upper()  #: Partners' clients say `domain="PREAU"`: their account has no JetStream of its own.
NAME = r"[a-z][a-z0-9-]{0,39}"
API = "$JS.API"


@dataclass(frozen=True, slots=True)
class Rights:
    """Subjects. Everything else is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    never_subscribe: tuple[str, ...] = ()  #: Of those, too.


@dataclass(frozen=True, slots=True)
class Partner:
    """Another system."""

    name: str  #: Also of its durable consumer.
    hears: str  #: A town, a service or an event of it: `carteville`, `carteville.booking`, `carteville.booking.accepted`.
    public_key: str

    @property
    def subject(self) -> str:
        parts = self.hears.count(".") + 1
        return f"{PUBLIC}.{self.hears}" + (".>" if parts < 3 else "")

    @property
    def account(self) -> str:
        return f"partner_{self.name.replace('-', '_')}"


# --------------------------------------------------------------------------------------------------------------- rights
def rights_of(process: str) -> Rights:
    """Of one of our own processes, or of NACK."""
    if process == "gateway":
        heard = (TokensRevoked.filter(), KeyWithdrawn.filter())
        return Rights((), (f"{PUBLIC}.>", *heard, *_inbox(process)))
    if process == OPERATOR:
        streams = [f"{API}.STREAM.{act}.*" for act in ("INFO", "CREATE", "UPDATE", "MSG.GET", "DELETE")]  # the last: preau restore
        return Rights((f"{API}.INFO", f"{API}.STREAM.NAMES", f"{API}.STREAM.LIST", *streams, f"{API}.CONSUMER.>"), (*_inbox(process),))
    if process == NACK:
        # Its client's answers come to a name that it invents: anywhere but where ours come.
        return Rights(tuple(_declaring()), (f"{INBOX}.>",), tuple(chain.from_iterable(map(_inbox, OURS))))
    own = (f"{PUBLIC}.*.{process}.>", f"{INTERNAL}.*.{process}.>", f"{WAKE}.>")
    return Rights((*own, *_of_streams(process)), (f"{WAKE}.>", *_inbox(process)))


def _inbox(process: str) -> tuple[str, ...]:
    return (f"{INBOX}.{process}.>",)


def _of_streams(service: str) -> Iterable[str]:
    if service == "mailer":  # its webhooks (services/mailer/calling.py)
        hooks = f"{service}-hooks"
        yield f"{API}.CONSUMER.DURABLE.CREATE.{STREAM[False]}.{hooks}"
        yield from _hearing(STREAM[False], hooks)
    for stream in STREAM.values():
        for act in ("INFO", "CREATE", "MSG.GET", "MSG.DELETE"):  # the last: what is to be forgotten
            yield f"{API}.STREAM.{act}.{stream}"
        for durable in (service, f"{service}-urgent"):
            yield f"{API}.CONSUMER.DURABLE.CREATE.{stream}.{durable}"
            yield from _hearing(stream, durable)
        yield f"{API}.CONSUMER.CREATE.{stream}.{service}-look"
        yield f"{API}.CONSUMER.DELETE.{stream}.{service}-look"
        yield from _hearing(stream, f"{service}-look")


def _declaring() -> Iterable[str]:
    """Of what everybody may know alone: who makes a consumer may have it deliver, and who changes a stream may have it copy another."""
    stream = STREAM[False]
    yield f"{API}.INFO"
    yield from (f"{API}.STREAM.{act}.{stream}" for act in ("INFO", "CREATE"))
    yield from (f"{API}.CONSUMER.{act}.{stream}.*" for act in ("INFO", "DURABLE.CREATE", "DELETE"))
    yield f"{API}.CONSUMER.CREATE.{stream}.>"


def _hearing(stream: str, durable: str) -> Sequence[str]:
    return (f"{API}.CONSUMER.INFO.{stream}.{durable}", f"{API}.CONSUMER.MSG.NEXT.{stream}.{durable}", f"$JS.ACK.{stream}.{durable}.>")


def _lent(partner: Partner) -> Mapping[str, str]:
    """What a partner may ask of our account: there -> as the partner calls it."""
    asked = {f"{act}.{STREAM[False]}.{partner.name}" for act in ("MSG.NEXT", "INFO", "RESET")}
    acknowledged = f"$JS.ACK.{STREAM[False]}.{partner.name}.>"
    return {f"{API}.CONSUMER.{one}": f"$JS.{DOMAIN}.API.CONSUMER.{one}" for one in sorted(asked)} | {acknowledged: acknowledged}


def rights_of_partner(partner: Partner) -> Rights:
    """In its own account."""
    return Rights(tuple(_lent(partner).values()), (partner.subject, f"{INBOX}.>"))


# ------------------------------------------------------------------------------------------------------------ the file
def accounts(keys: Mapping[str, str], partners: Sequence[Partner]) -> dict[str, object]:
    """As the server's configuration has them. `keys`: public ones, of each of OURS, and of NACK and SYSTEM where they are."""
    ours = [_user(keys[process], rights_of(process)) for process in (*OURS, NACK) if process in keys]
    system = {"SYS": {"users": [{"nkey": keys[SYSTEM]}]}} if SYSTEM in keys else {}
    theirs = {
        partner.account: {"users": [_user(partner.public_key, rights_of_partner(partner))], "imports": list(_imports(partner))}
        for partner in partners
    }
    return {DOMAIN: {"jetstream": "enabled", "users": ours, "exports": list(_exports(partners))}, **system, **theirs}


def included(keys: Mapping[str, str], partners: Sequence[Partner]) -> str:
    """The same, as the server includes it."""
    return f"# Written by `preau partners`. It holds no secret.\naccounts {json.dumps(accounts(keys, partners), indent=2)}\n"


def values(folder: Path) -> str:
    """The same for the official NATS chart, beside deploy/nats/values.yaml. Makes keys for whoever has none. Raises Trouble."""
    import yaml  # noqa: PLC0415 -- `preau serve gateway` must not pay for it

    write(folder)
    try:
        keys = {name: nkeys.public_of(_seed(folder, name)) for name in (*OURS, NACK, SYSTEM)}
    except OSError as error:
        raise Trouble(f"{folder} cannot be written: {error.strerror or error}") from None
    told = {"config": {"merge": {"accounts": accounts(keys, partners_in(folder))}}}
    head = "# Written by `preau partners values`. It holds no secret. Beside deploy/nats/values.yaml.\n"
    return head + yaml.safe_dump(told, sort_keys=False, width=1000)


def _user(key: str, rights: Rights) -> dict[str, object]:
    publish = {"allow": list(rights.publish)} if rights.publish else {"deny": ">"}
    subscribe = {"allow": list(rights.subscribe)} | ({"deny": list(rights.never_subscribe)} if rights.never_subscribe else {})
    return {"nkey": key, "permissions": {"publish": publish, "subscribe": subscribe}}


def _exports(partners: Sequence[Partner]) -> Iterable[dict[str, object]]:
    heard: dict[str, list[str]] = {}
    for partner in partners:
        heard.setdefault(partner.subject, []).append(partner.account)
    for subject, who in heard.items():
        yield {"stream": subject, "accounts": who}
    for partner in partners:
        for subject in _lent(partner):
            many = {"response_type": "stream"} if ".MSG.NEXT." in subject else {}
            yield {"service": subject, **many, "accounts": [partner.account]}


def _imports(partner: Partner) -> Iterable[dict[str, object]]:
    yield {"stream": {"account": DOMAIN, "subject": partner.subject}}
    for there, here in _lent(partner).items():
        yield {"service": {"account": DOMAIN, "subject": there}, "to": here}


# ------------------------------------------------------------------------------------------------------------- folder
def key_file(folder: Path, name: str) -> Path:
    return folder / "keys" / f"{name}.nk"


def partners_in(folder: Path) -> list[Partner]:
    """Those that were added. Raises Trouble."""
    try:
        return [Partner(**one) for one in json.loads((folder / PARTNERS).read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise Trouble(f"{folder / PARTNERS} cannot be read: {error}") from None


def write(folder: Path, partners: Sequence[Partner] | None = None) -> Path:
    """Keys for those of OURS that have none, the partners (None: as they are), and what the broker includes. Raises Trouble."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = partners_in(folder) if partners is None else list(partners)
        keys = {process: nkeys.public_of(_seed(folder, process)) for process in OURS}
        _anew(folder / PARTNERS, json.dumps([asdict(one) for one in kept], indent=2) + "\n")
        _anew(folder / ACCOUNTS, included(keys, kept))
    except OSError as error:
        raise Trouble(f"{folder} cannot be written: {error.strerror or error}") from None
    return folder / ACCOUNTS


def new_key(folder: Path, name: str) -> str:
    """Make one, and return what is public of it; whoever had an older one by that name is let in no more."""
    file = key_file(folder, name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    seed = nkeys.new_seed()
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as opened:
        opened.write(f"{seed}\n")
    return nkeys.public_of(seed)


def _seed(folder: Path, process: str) -> str:
    file = key_file(folder, process)
    if not file.exists():
        new_key(folder, process)
    try:
        return nkeys.read(file).seed
    except nkeys.NotAKey as error:
        raise Trouble(str(error)) from None


def _anew(file: Path, text: str) -> None:
    """As a whole, or not at all; untouched where nothing changes."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


# ----------------------------------------------------------------------------------------------------------- by hand
def partner(name: str, hears: str, public_key: str) -> Partner:
    """As an operator names it. Raises Trouble."""
    if not re.fullmatch(NAME, name) or name.partition("-")[0] in (*OURS, NACK, SYSTEM):
        raise Trouble(f"{name!r} is no name for a partner: small letters, digits and hyphens, such as canteen, and none of our processes'")
    town, _, rest = hears.partition(".")
    events = {f"{kind.service}.{kind.name}" for kind in BY_TYPE.values() if not kind.internal}
    known = events | {one.partition(".")[0] for one in events} | {""}
    if (
        not re.fullmatch(r"[A-Za-z0-9_-]+", town)
        or town == EVERYBODY
        or hears.endswith(".")
        or rest not in known | {one.partition(".")[0] for one in known} | {""}
    ):
        raise Trouble(f"{hears!r} is nothing to hear: name a town, a service or an event of it, such as carteville.booking.accepted")
    if not nkeys.is_public(public_key):
        raise Trouble(f"{public_key!r} is no public key: it begins with U and has 56 letters")
    return Partner(name, hears, public_key)
