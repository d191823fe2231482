"""Every setting of the product, read from the environment once. README's table is compared with SETTINGS by a test."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.clock import Clock
from services.tracing import SAMPLERS, USUAL_SAMPLER, USUAL_SHARE, Collecting

SERVICES = ("identity", "billing", "booking", "mailer")

#: Name -> what it is for, as README's table says it.
SETTINGS = {
    "PREAU_ENV": "`embedded` (default) or `production`, which refuses default secrets and weak durability",
    "PREAU_DATA": "folder of the embedded state (default `var`)",
    "PREAU_PORT": "the gateway's port (default 8000)",
    "PREAU_PUBLIC_URL": "address that families use, for links in mails (default `http://127.0.0.1:<port>`)",
    "NATS_URL": "the broker (default `nats://127.0.0.1:4222`)",
    "NATS_CREDENTIALS": "the process's key for the broker: file of an nkey seed (`preau partners` writes them), or of NATS credentials",
    "NATS_MONITOR_URL": "the broker's monitoring address; production needs it to be sure that the broker syncs to disk",
    "NATS_REPLICAS": "copies of each stream in a NATS cluster (default 1; 3 in production)",
    "IDENTITY_DATABASE_URL": "identity's database (default a SQLite file in PREAU_DATA)",
    "BILLING_DATABASE_URL": "billing's database (default a SQLite file in PREAU_DATA)",
    "BOOKING_DATABASE_URL": "booking's database (default a SQLite file in PREAU_DATA)",
    "MAILER_DATABASE_URL": "mailer's database (default a SQLite file in PREAU_DATA)",
    "IDENTITY_URL": "where the gateway finds identity's subgraph (default `http://127.0.0.1:8101`)",
    "BILLING_URL": "where the gateway finds billing's subgraph (default `http://127.0.0.1:8102`)",
    "BOOKING_URL": "where the gateway finds booking's subgraph (default `http://127.0.0.1:8103`)",
    "MAILER_URL": "where the gateway finds the mailer's subgraph (default `http://127.0.0.1:8104`)",
    "GATEWAY_URL": "where `preau doctor` finds the gateway (default `http://127.0.0.1:<port>`)",
    "PREAU_SUBGRAPH_SECONDS": "how long the gateway waits for a subgraph's answer to a query, and for some of them, such as "
    "`5,billing=2` (default 5)",
    "PREAU_REQUEST_SECONDS": "how long a whole query may take, however many subgraphs it needs one after another (default 10)",
    "PREAU_SUPERGRAPH": "the gateway's supergraph, a file: what it says is served as soon as it changes, or at SIGHUP (default ours)",
    "PREAU_CHECKED_SUBGRAPHS": "subgraphs, by commas, whose answers the gateway reads and holds against the schema; those of others it "
    "passes on as they come (default none)",
    "PREAU_COMPRESSION": "`false`: answers are not compressed here, as where a proxy does it (default `true`)",
    "PREAU_ALLOWED_ORIGINS": "other sites whose pages may ask the API, by commas, such as `https://portail.example.fr` (default none)",
    "PREAU_MOST_COST": "the most points that an operation may cost, which is about how many values its answer has (default 200000)",
    "PREAU_ACCOUNT_POINTS": "points a second that one sign-in may spend at one gateway process; 0: no bound (default 20000)",
    "PREAU_ADDRESS_POINTS": "the same of one address, behind which a school or a telephone company may be (default 300000)",
    "PREAU_INTROSPECTION": "`true`: the API tells its schema, and suggests names (default `true`, in production `false`)",
    "PREAU_EXPLORER": "`true`: a page at /graphql to try the API in a browser (default `true`, in production `false`)",
    "PREAU_TRUSTED_DOCUMENTS": "file of the documents that clients may ask for by their hash (see Trusted documents; default none)",
    "PREAU_ONLY_TRUSTED": "`true`: no other document is answered (default `false`)",
    "SMTP_URL": "the town's mail server, `smtp://`, `smtp+starttls://` or `smtps://` (default `smtp://127.0.0.1:8025`)",
    "PREAU_MAIL_FROM": "sender of every mail (default `Préau <no-reply@localhost>`)",
    "PREAU_MAIL_RATES": "mails per second to addresses of a provider, such as `orange.fr=2,gmail.com=5` (default none: no bound)",
    "PREAU_PRIVATE_WEBHOOKS": "`true`: webhooks may lead into our own network, and outside production need no TLS (default `false`)",
    "PREAU_SIGNING_KEY": "identity's private Ed25519 key as a JWK; embedded makes its own in PREAU_DATA",
    "PREAU_FIELD_KEY": "seals what identity must read again, such as secrets of second factors: 64 hexadecimal digits, several by commas "
    "(the first seals, all open); embedded makes its own in PREAU_DATA",
    "PREAU_OIDC": "file of providers that may say who somebody is, such as FranceConnect (see Signing in from outside)",
    "PREAU_PORTAL": "file of what the portal says of the town: whom to ask, who publishes it, how accessible it is (see The portal)",
    "PREAU_SCHOOL_HOLIDAYS": "CSV file of school holidays that Préau does not know, or knows wrongly (`deploy/town/README.md`)",
    "PREAU_TRUSTED_PROXIES": "reverse proxies before the gateway, by commas, whose `X-Forwarded-For` is believed (default none)",
    "PREAU_PAYMENT_PROVIDER": "`sandbox`, `sandbox-unsigned` or `stripe`; several by commas: the first takes new payments, the others end "
    "theirs (default none: payment online is unavailable)",
    "SANDBOX_URL": "where the payment sandbox is (`preau up` starts one)",
    "SANDBOX_SECRET": "what the sandbox signs its notifications with: `whsec_` and 24 bytes or more in base64",
    "STRIPE_API_KEY": "Stripe's secret key",
    "STRIPE_WEBHOOK_SECRET": "what Stripe signs its notifications with (`whsec_...`)",
    "PREAU_ACCESS_LOG": "share of requests, from 0 (default) to 1, of which each process that has to do with them says a line",
    "PREAU_SLOW_MILLISECONDS": "whatever takes the gateway longer is said in the log, with its plan (default 1000)",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where traces go, by OTLP over HTTP, such as `http://collector:4318` (default none: nothing is "
    "collected); whatever else OpenTelemetry's own `OTEL_...` say of exporting counts too",
    "OTEL_TRACES_EXPORTER": "`otlp` (default) or `none`",
    "OTEL_TRACES_SAMPLER": "which traces are collected: `always_on`, `always_off` or `traceidratio`, each also after `parentbased_`: as "
    "whoever calls us decided, where they did (default `parentbased_traceidratio`)",
    "OTEL_TRACES_SAMPLER_ARG": "share of the traces, from 0 to 1, for `traceidratio` (default 0.01)",
    "PREAU_CLOCK": "tests only, refused in production: `2026-11-23T07:00:00Z` freezes, `+3d` shifts",
    "PREAU_CRASH_AT": "tests only, refused in production: die at a named crash point",
    "PREAU_LOG_LEVEL": "`debug`, `info` (default), `warning`, `error`",
}


class SettingsError(ValueError):
    """A setting is missing, unreadable or not allowed: the message says which and what was expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Build it with `from_environment`; pass it on; never read the environment elsewhere."""

    production: bool
    data: Path
    port: int
    public_url: str
    nats_url: str
    nats_credentials: str | None
    nats_monitor_url: str | None
    nats_replicas: int
    database_urls: Mapping[str, str]  #: service -> SQLAlchemy URL with an async driver
    subgraph_urls: Mapping[str, str]  #: service -> base URL
    gateway_url: str
    subgraph_seconds: Mapping[str, float]  #: service -> how long a query waits for it
    request_seconds: float
    supergraph: Path | None
    compression: bool
    checked_subgraphs: frozenset[str]
    allowed_origins: frozenset[str]
    most_cost: int
    account_points: int
    address_points: int
    introspection: bool
    explorer: bool
    trusted_documents: Path | None
    only_trusted: bool
    smtp_url: str
    mail_from: str
    mail_rates: Mapping[str, float]  #: domain -> mails per second
    private_webhooks: bool
    signing_key: str | None
    field_key: str | None
    oidc: str | None  #: path of a file
    portal: Path | None  #: a file
    payment_providers: tuple[str, ...]  #: The first takes new payments.
    sandbox_url: str | None
    sandbox_secret: str | None
    stripe_key: str | None
    stripe_secret: str | None
    trusted_proxies: str | None
    school_holidays: str | None  #: path of a file
    clock: Clock
    log_level: str
    access_log: float  #: share of the requests
    slow_seconds: float
    collecting: Collecting | None  #: traces

    @property
    def nats_place(self) -> str:
        """The broker's address without the password that may be in it: for logs, and for whoever asks why we are not ready."""
        return re.sub(r"(//|^|,)[^/,]*@", r"\1", self.nats_url)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ, process: str | None = None) -> "Settings":
        """Raises SettingsError. In production `process` (a service's name, or gateway) says which settings may not be missing."""
        kind = environ.get("PREAU_ENV", "embedded")
        if kind not in ("embedded", "production"):
            raise SettingsError(f"PREAU_ENV is embedded or production, not {kind!r}")
        data = Path(environ.get("PREAU_DATA", "var"))
        port = _port(environ)
        settings = cls(
            production=kind == "production",
            data=data,
            port=port,
            public_url=environ.get("PREAU_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/"),
            nats_url=environ.get("NATS_URL", "nats://127.0.0.1:4222"),
            nats_credentials=environ.get("NATS_CREDENTIALS"),
            nats_monitor_url=environ.get("NATS_MONITOR_URL"),
            nats_replicas=_replicas(environ, kind),
            database_urls={service: _database_url(environ, data, service) for service in SERVICES},
            subgraph_urls={
                service: environ.get(f"{service.upper()}_URL", f"http://127.0.0.1:{default}").rstrip("/")
                for service, default in zip(SERVICES, (8101, 8102, 8103, 8104), strict=True)
            },
            gateway_url=environ.get("GATEWAY_URL", f"http://127.0.0.1:{port}").rstrip("/"),
            subgraph_seconds=_subgraph_seconds(environ.get("PREAU_SUBGRAPH_SECONDS", "")),
            request_seconds=_seconds("PREAU_REQUEST_SECONDS", environ.get("PREAU_REQUEST_SECONDS") or "10"),
            supergraph=_path(environ, "PREAU_SUPERGRAPH"),
            compression=_flag(environ, "PREAU_COMPRESSION", usually=True),
            checked_subgraphs=_checked(environ),
            allowed_origins=_origins(environ),
            most_cost=_points(environ, "PREAU_MOST_COST", 200_000),
            account_points=_points(environ, "PREAU_ACCOUNT_POINTS", 20_000),
            address_points=_points(environ, "PREAU_ADDRESS_POINTS", 300_000),
            introspection=_flag(environ, "PREAU_INTROSPECTION", usually=kind == "embedded"),
            explorer=_flag(environ, "PREAU_EXPLORER", usually=kind == "embedded"),
            trusted_documents=_path(environ, "PREAU_TRUSTED_DOCUMENTS"),
            only_trusted=_flag(environ, "PREAU_ONLY_TRUSTED"),
            smtp_url=environ.get("SMTP_URL", "smtp://127.0.0.1:8025"),
            mail_from=environ.get("PREAU_MAIL_FROM", "Préau <no-reply@localhost>"),
            mail_rates=_mail_rates(environ),
            private_webhooks=_flag(environ, "PREAU_PRIVATE_WEBHOOKS"),
            signing_key=environ.get("PREAU_SIGNING_KEY"),
            field_key=environ.get("PREAU_FIELD_KEY") or None,
            oidc=environ.get("PREAU_OIDC") or None,
            portal=_path(environ, "PREAU_PORTAL"),
            payment_providers=tuple(filter(None, map(str.strip, environ.get("PREAU_PAYMENT_PROVIDER", "").split(",")))),
            sandbox_url=environ.get("SANDBOX_URL", "").rstrip("/") or None,
            sandbox_secret=environ.get("SANDBOX_SECRET") or None,
            stripe_key=environ.get("STRIPE_API_KEY") or None,
            stripe_secret=environ.get("STRIPE_WEBHOOK_SECRET") or None,
            trusted_proxies=environ.get("PREAU_TRUSTED_PROXIES") or None,
            school_holidays=environ.get("PREAU_SCHOOL_HOLIDAYS") or None,
            clock=_clock(environ),
            log_level=environ.get("PREAU_LOG_LEVEL", "info"),
            access_log=_share(environ, "PREAU_ACCESS_LOG", "0"),
            slow_seconds=_milliseconds(environ) / 1000,
            collecting=_collecting(environ),
        )
        if settings.only_trusted and settings.trusted_documents is None:
            raise SettingsError("PREAU_ONLY_TRUSTED needs PREAU_TRUSTED_DOCUMENTS: nothing would be answered")
        if settings.production:
            _refuse_toys(environ, process)
        return settings


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("PREAU_PORT", "8000")
    if not text.isdigit() or not 0 <= int(text) < 65536:
        raise SettingsError(f"PREAU_PORT is a port number, not {text!r}")
    return int(text)


def _points(environ: Mapping[str, str], name: str, usually: int) -> int:
    text = environ.get(name) or str(usually)
    if not text.isdigit():
        raise SettingsError(f"{name} is a whole number, not {text!r}")
    return int(text)


def _origins(environ: Mapping[str, str]) -> frozenset[str]:
    named = frozenset(filter(None, map(str.strip, environ.get("PREAU_ALLOWED_ORIGINS", "").split(","))))
    for each in named:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d+)?", each):
            raise SettingsError(f"PREAU_ALLOWED_ORIGINS is like https://portail.example.fr, by commas, not {each!r}")
    return named


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _flag(environ: Mapping[str, str], name: str, *, usually: bool = False) -> bool:
    text = environ.get(name) or str(usually).lower()
    if text not in ("true", "false"):
        raise SettingsError(f"{name} is true or false, not {text!r}")
    return text == "true"


def _seconds(name: str, text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text.strip()) or not float(text):
        raise SettingsError(f"{name}: seconds are a number from 0.001 to 999, not {text!r}")
    return float(text)


def _subgraph_seconds(text: str) -> dict[str, float]:
    name = "PREAU_SUBGRAPH_SECONDS"
    found = dict.fromkeys(SERVICES, 5.0)
    parts = [part.rpartition("=") for part in text.split(",") if part.strip()]
    for _, _, seconds in (part for part in parts if not part[1]):
        found = dict.fromkeys(found, _seconds(name, seconds))
    for service, _, seconds in (part for part in parts if part[1]):
        if service.strip() not in found:
            raise SettingsError(f"{name} names {', '.join(SERVICES)}, not {service!r}")
        found[service.strip()] = _seconds(name, seconds)
    return found


def _checked(environ: Mapping[str, str]) -> frozenset[str]:
    named = frozenset(filter(None, map(str.strip, environ.get("PREAU_CHECKED_SUBGRAPHS", "").split(","))))
    if not named <= {*SERVICES}:
        raise SettingsError(f"PREAU_CHECKED_SUBGRAPHS names {', '.join(SERVICES)}, by commas")
    return named


def _database_url(environ: Mapping[str, str], data: Path, service: str) -> str:
    name = f"{service.upper()}_DATABASE_URL"
    url = environ.get(name) or f"sqlite+aiosqlite:///{data.absolute() / service}.sqlite"
    if not url.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
        raise SettingsError(f"{name} starts with sqlite+aiosqlite:// or postgresql+asyncpg://")
    return url


def _clock(environ: Mapping[str, str]) -> Clock:
    try:
        return Clock.from_setting(environ.get("PREAU_CLOCK"))
    except ValueError as error:
        raise SettingsError(f"PREAU_CLOCK: {error}") from error


def _mail_rates(environ: Mapping[str, str]) -> dict[str, float]:
    rates = {}
    for part in filter(None, map(str.strip, environ.get("PREAU_MAIL_RATES", "").split(","))):
        domain, _, rate = (word.strip() for word in part.partition("="))
        if not re.fullmatch(r"[A-Za-z0-9.-]+", domain) or not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", rate) or not float(rate):
            raise SettingsError(f"PREAU_MAIL_RATES is like orange.fr=2,gmail.com=5 (mails per second, from 0.001 to 999), not {part!r}")
        rates[domain.lower()] = float(rate)
    return rates


def _share(environ: Mapping[str, str], name: str, usually: str) -> float:
    text = environ.get(name) or usually
    if not re.fullmatch(r"[01](\.\d{1,9})?", text) or float(text) > 1:
        raise SettingsError(f"{name} is a share from 0 to 1, such as 0.01, not {text!r}")
    return float(text)


def _milliseconds(environ: Mapping[str, str]) -> int:
    text = environ.get("PREAU_SLOW_MILLISECONDS") or "1000"
    if not re.fullmatch(r"\d{1,7}", text):
        raise SettingsError(f"PREAU_SLOW_MILLISECONDS is a number of milliseconds, not {text!r}")
    return int(text)


def _collecting(environ: Mapping[str, str]) -> Collecting | None:
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter not in ("otlp", "none"):
        raise SettingsError(f"OTEL_TRACES_EXPORTER is otlp or none, not {exporter!r}")
    sampler = environ.get("OTEL_TRACES_SAMPLER") or USUAL_SAMPLER
    if sampler not in SAMPLERS:
        raise SettingsError(f"OTEL_TRACES_SAMPLER is one of {', '.join(SAMPLERS)}, not {sampler!r}")
    share = _share(environ, "OTEL_TRACES_SAMPLER_ARG", str(USUAL_SHARE))
    return Collecting(sampler, share) if environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") and exporter == "otlp" else None


def _replicas(environ: Mapping[str, str], kind: str) -> int:
    text = environ.get("NATS_REPLICAS", "3" if kind == "production" else "1")
    if text not in ("1", "3", "5"):
        raise SettingsError(f"NATS_REPLICAS is 1, 3 or 5, not {text!r}")
    return int(text)


#: What each process may not be without in production: no more than it uses, so that only identity knows its keys.
NEEDED = {
    "gateway": (*(f"{service.upper()}_URL" for service in SERVICES), "NATS_URL"),
    "identity": ("IDENTITY_DATABASE_URL", "NATS_URL", "NATS_MONITOR_URL", "PREAU_SIGNING_KEY", "PREAU_FIELD_KEY"),
    "billing": ("BILLING_DATABASE_URL", "NATS_URL", "NATS_MONITOR_URL"),
    "booking": ("BOOKING_DATABASE_URL", "NATS_URL", "NATS_MONITOR_URL"),
    "mailer": ("MAILER_DATABASE_URL", "NATS_URL", "NATS_MONITOR_URL", "SMTP_URL", "PREAU_MAIL_FROM", "PREAU_PUBLIC_URL"),
    None: tuple(f"{service.upper()}_DATABASE_URL" for service in SERVICES),
}


def _refuse_toys(environ: Mapping[str, str], process: str | None) -> None:
    for name in ("PREAU_CLOCK", "PREAU_CRASH_AT"):
        if environ.get(name):
            raise SettingsError(f"{name} is for tests: production refuses it")
    if "sandbox" in environ.get("PREAU_PAYMENT_PROVIDER", ""):
        raise SettingsError("PREAU_PAYMENT_PROVIDER: nobody pays in a sandbox, production refuses it")
    for name in NEEDED[process]:
        if not environ.get(name):
            raise SettingsError(f"production needs {name}")
    if process == "billing" and environ.get("PREAU_PAYMENT_PROVIDER") and not environ.get("PREAU_PUBLIC_URL"):
        raise SettingsError("production needs PREAU_PUBLIC_URL, where payment providers send families back to")
