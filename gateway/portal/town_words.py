"""What the portal says of the town that runs it: who publishes the site, whom to ask, how accessible it is. From a file (PREAU_PORTAL):

contact: {name: Mairie de CarteVille, address: ..., phone: ..., email: ..., hours: ...}
publisher: {name: ..., address: ..., director: ..., email: ...}
host: {name: ..., address: ..., phone: ...}
data_protection: {name: ..., address: ..., email: ...}
accessibility: {state: partial, rate: 71, audited_by: ..., established: 2026-11-30, exceptions: [...], disproportionate: [...],
  not_covered: [...], environment: [...], tools: [...], pages: [...], plan: {2027: [...]}}
secret_questions: false
logo: mairie.svg
logos: {carteville: carteville.svg}

Each may be missing. Texts are the town's, in French. README (Pages that the law asks for) says what each is.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.settings import SettingsError


class Compliance(StrEnum):
    """With RGAA. Without an audit that is valid, a site is not compliant, whatever it is like."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Whom:
    """Somebody to turn to. Empty: not told."""

    name: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""
    hours: str = ""
    director: str = ""  #: of the publication


@dataclass(frozen=True, slots=True)
class Accessibility:
    state: Compliance = Compliance.NONE
    rate: int | None = None  #: percent of the criteria, of the audit
    audited_by: str = ""
    established: dt.date | None = None  #: the declaration
    exceptions: tuple[str, ...] = ()  #: what is not accessible
    disproportionate: tuple[str, ...] = ()  #: what stays so, for its cost would be out of proportion
    not_covered: tuple[str, ...] = ()  #: what the law does not ask for
    environment: tuple[str, ...] = ()  #: browsers and assistive technologies of the audit
    tools: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()  #: that were looked at
    plan: tuple[tuple[int, tuple[str, ...]], ...] = ()  #: years, and what is done in each

    def is_too_old(self, today: dt.date) -> bool:
        """A declaration holds for three years."""
        return self.established is not None and (today.year - self.established.year, today.month, today.day) > (
            MOST_YEARS,
            self.established.month,
            self.established.day,
        )


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture in the head of each page, which the gateway serves itself."""

    body: bytes
    suffix: str  #: Of KINDS.
    name: str  #: Another one's is another: a browser may keep it.

    @classmethod
    def of(cls, body: bytes, suffix: str) -> "Logo":
        return cls(body, suffix, hashlib.sha256(body).hexdigest()[:16] + suffix)

    @property
    def address(self) -> str:
        return f"/portail/logo/{self.name}"


@dataclass(frozen=True, slots=True)
class TownWords:
    contact: Whom = Whom()
    publisher: Whom = Whom()
    host: Whom = Whom()
    data_protection: Whom = Whom()
    accessibility: Accessibility = Accessibility()
    secret_questions: bool = True  #: False: never offered (S3). Else they are where identity says that a structure has them on.
    logo: Logo | None = None  #: Where nobody is signed in, and of structures without one of their own. None: ours.
    logos: Mapping[str, Logo] = field(default_factory=dict)  #: Of structures, by id.
    served: Mapping[str, Logo] = field(default_factory=dict)  #: All of them, by name.

    def logo_of(self, structure: str | None) -> Logo | None:
        """`structure`: None: none is being consulted."""
        return self.logos.get(structure or "", self.logo)


#: The lists of a declaration, beside its plan.
LISTS = ("exceptions", "disproportionate", "not_covered", "environment", "tools", "pages")
MOST_YEARS = 3  #: Of a plan; and so old may a declaration be.
PEOPLE = ("contact", "publisher", "host", "data_protection")
#: How a logo's file may end, how it begins, and what it is called on the way.
KINDS = {".svg": (b"<", "image/svg+xml"), ".png": (b"\x89PNG", "image/png"), ".webp": (b"RIFF", "image/webp")}
#: A telephone is sent it once.
MOST_LOGO_BYTES = 30_000
DEFAULT = TownWords()


def read(path: Path | None) -> TownWords:
    """Raises SettingsError: it names the place and what was expected."""
    if path is None:
        return DEFAULT
    import yaml  # noqa: PLC0415 -- only where a town says something

    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"PREAU_PORTAL: {path} cannot be read ({type(error).__name__})") from None
    return _Reading(f"PREAU_PORTAL: {path}", path.parent).town(told if told is not None else {})


@dataclass(frozen=True, slots=True)
class _Reading:
    where: str
    folder: Path  #: That logos are beside.

    def wrong(self, what: str) -> SettingsError:
        return SettingsError(f"{self.where}: {what}")

    def town(self, told: Any) -> TownWords:
        parts = self.parts(told, "the file", (*PEOPLE, "accessibility", "secret_questions", "logo", "logos"))
        people = {name: self.whom(parts[name], name) for name in PEOPLE if name in parts}
        asks = parts.get("secret_questions", True)
        if not isinstance(asks, bool):
            raise self.wrong("secret_questions is true or false")
        logo = self.logo(parts["logo"], "logo") if "logo" in parts else None
        accessibility, logos = self.accessibility(parts.get("accessibility", {})), self.logos(parts.get("logos", {}))
        served = {each.name: each for each in (logo, *logos.values()) if each}
        return TownWords(**people, accessibility=accessibility, secret_questions=asks, logo=logo, logos=logos, served=served)

    def logos(self, told: Any) -> dict[str, Logo]:
        if not isinstance(told, Mapping) or not all(isinstance(structure, str) for structure in told):
            raise self.wrong("logos has a file for each structure, by its id in the town's file, such as carteville: carteville.svg")
        return {structure: self.logo(each, f"logos.{structure}") for structure, each in told.items()}

    def logo(self, told: Any, name: str) -> Logo:
        path = self.folder / self.text(told, name)
        if path.suffix not in KINDS:
            raise self.wrong(f"{name} is a file that ends in {', '.join(KINDS)}")
        try:
            body = path.read_bytes()
        except OSError as error:
            raise self.wrong(f"{name}: {path} cannot be read ({type(error).__name__})") from None
        if not body.lstrip().startswith(KINDS[path.suffix][0]) or len(body) > MOST_LOGO_BYTES:
            raise self.wrong(f"{name}: {path} is a picture of that kind, of {MOST_LOGO_BYTES // 1000} kB at most")
        return Logo.of(body, path.suffix)

    def parts(self, told: Any, name: str, known: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(told, Mapping) or not set(told) <= set(known):
            raise self.wrong(f"{name} has {', '.join(known)}, each of which may be missing")
        return told

    def whom(self, told: Any, name: str) -> Whom:
        parts = self.parts(told, name, Whom.__slots__)
        return Whom(**{each: self.text(parts[each], f"{name}.{each}") for each in parts})

    def text(self, told: Any, name: str) -> str:
        if not isinstance(told, str) or not told.strip():
            raise self.wrong(f"{name} is a text")
        return told.strip()

    def texts(self, told: Any, name: str) -> tuple[str, ...]:
        if not isinstance(told, list):
            raise self.wrong(f"{name} is a list of texts")
        return tuple(self.text(each, name) for each in told)

    def accessibility(self, told: Any) -> Accessibility:
        parts = self.parts(told, "accessibility", Accessibility.__slots__)
        state, rate, established = parts.get("state", "none"), parts.get("rate"), parts.get("established")
        if state not in tuple(Compliance):
            raise self.wrong("accessibility.state is none, partial or full")
        if rate is not None and (not isinstance(rate, int) or not 0 <= rate <= 100):
            raise self.wrong("accessibility.rate is a number of percent, from 0 to 100")
        if established is not None and type(established) is not dt.date:
            raise self.wrong("accessibility.established is a date, such as 2026-11-30")
        if state != Compliance.NONE and (rate is None or established is None or "audited_by" not in parts):
            raise self.wrong("accessibility: whoever says partial or full says rate, audited_by and established: there was an audit")
        return Accessibility(
            Compliance(state),
            rate,
            self.text(parts["audited_by"], "accessibility.audited_by") if "audited_by" in parts else "",
            established,
            **{name: self.texts(parts.get(name, []), f"accessibility.{name}") for name in LISTS},
            plan=self.plan(parts.get("plan", {})),
        )

    def plan(self, told: Any) -> tuple[tuple[int, tuple[str, ...]], ...]:
        if not isinstance(told, Mapping) or not all(isinstance(year, int) for year in told):
            raise self.wrong("accessibility.plan has a list of texts for each year, such as 2027: [...]")
        if told and max(told) - min(told) >= MOST_YEARS:
            raise self.wrong(f"accessibility.plan is for {MOST_YEARS} years at most")
        return tuple((year, self.texts(told[year], f"accessibility.plan.{year}")) for year in sorted(told))
