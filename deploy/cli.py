"""The console command `preau`: everything that operators, developers and clusters ask of the product."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deploy.addresses import existing, settings_of
from deploy.trouble import Trouble
from services.settings import SERVICES, Settings, SettingsError

# Commands import what they need when they run: `preau serve gateway` must not pay for what reads databases.
app = typer.Typer(
    name="preau",
    help="Préau, the open-source family portal for towns.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Process = Literal["gateway", "identity", "billing", "booking", "mailer"]
Action = Literal["list", "retry", "drop"]

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded system (default: PREAU_DATA, or var).")]


@app.command()
def up(
    data: Data = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The gateway's port (default: PREAU_PORT, or 8000).")] = None,
    town: Annotated[list[Path] | None, typer.Option(help="Town to load instead of the demo town; may be repeated.")] = None,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Begin empty, without the demo town.")] = False,
) -> None:
    """Run the whole system on this machine, with everything it needs; state lives in the data folder."""
    from deploy.up import Wish  # noqa: PLC0415 -- see above
    from deploy.up import up as run  # noqa: PLC0415 -- see above

    if os.environ.get("PREAU_ENV") == "production":
        raise Trouble("`preau up` is for one machine, embedded: in production run `preau migrate`, then `preau serve` for each service")
    folder = data or Path(os.environ.get("PREAU_DATA", "var"))
    chosen = port if port is not None else Settings.from_environment().port
    _run(run(Wish(folder, chosen, tuple(town or ()), demo=not no_demo), os.environ))


@app.command()
def serve(
    name: Annotated[Process, typer.Argument(help="Which process.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port (default: 8000 gateway, 8101 to 8104 services).")] = None,
    socket_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one process of one service, or of the gateway: one container each."""
    from deploy.serving import serve as run  # noqa: PLC0415 -- see above

    run(name, Settings.from_environment(process=name), host, port, socket_fd)


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Which services (default: all).")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say which are not; exit code 1 if any.")] = False,
    data: Data = None,
) -> None:
    """Bring databases up to date. Safe to run twice, and from two places at once."""
    from deploy.migrate import migrate as run  # noqa: PLC0415 -- see above
    from deploy.restore import refuse_if_cut_short  # noqa: PLC0415 -- see above
    from deploy.upgrade import behind  # noqa: PLC0415 -- see above

    if unknown := set(services or ()) - set(SERVICES):
        raise Trouble(f"there is no service {', '.join(sorted(unknown))}: there are {', '.join(SERVICES)}")
    settings = settings_of(data)
    if check:
        late = [service for service in _run(behind(existing(settings))) if service in (services or SERVICES)]
        print("\n".join(f"{service}: not up to date" for service in late) or "up to date")
        raise typer.Exit(1 if late else 0)
    settings.data.mkdir(parents=True, exist_ok=True)
    _run(refuse_if_cut_short(settings))
    for service in services or SERVICES:
        _run(run(service, settings.database_urls[service]))
        print(f"{service}: up to date")


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="Town files (see town.example.yaml).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try everything, keep nothing.")] = False,
    data: Data = None,
) -> None:
    """Load towns from files. The same file again changes nothing; a changed one updates; one with a mistake loads nothing."""
    _run(_load(existing(settings_of(data)), files, dry_run))


async def _load(settings: Settings, files: list[Path], dry_run: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 -- see above
    from rich.progress import Progress  # noqa: PLC0415 -- see above

    from deploy.town.checking import read_towns  # noqa: PLC0415 -- see above
    from deploy.town.loading import load as run  # noqa: PLC0415 -- see above
    from deploy.town.loading import steps_of  # noqa: PLC0415 -- see above
    from services.booking.school_calendar import follow  # noqa: PLC0415 -- see above
    from services.database import Database  # noqa: PLC0415 -- see above

    follow(settings.school_holidays)
    towns = read_towns(files, settings.clock)
    async with AsyncExitStack() as stack:
        databases = {service: Database(settings.database_urls[service]) for service in ("identity", "billing", "booking")}
        for database in databases.values():
            stack.push_async_callback(database.close)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("loading", total=sum(map(steps_of, towns)))
            loaded = await run(towns, databases, settings.clock, lambda: progress.advance(bar), dry_run=dry_run)
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    names = ", ".join(town.structure.id for town in towns)
    changes = ", ".join(f"{service} {count}" for service, count in loaded.changes.items() if count)
    if not changes:
        print(f"{names}: nothing to change")
    else:
        print(f"{names}: {'would write' if dry_run else 'wrote'} rows: {changes}")


@app.command()
def export(
    structure: Annotated[str, typer.Argument(help="The structure's id.")],
    file: Annotated[Path, typer.Argument(help="Where to write; - for standard output.")],
    data: Data = None,
) -> None:
    """Write a town back as a file that `load` takes. Passwords are not in it: accounts keep theirs when it is loaded again."""
    from deploy.town.export import export as run  # noqa: PLC0415 -- see above

    text = _run(run(existing(settings_of(data)), structure))
    _write(file, text)


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        print(text, end="")
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Trouble(f"{file} cannot be written: {error.strerror}") from None


@app.command("price-draft")
def price_draft(
    file: Annotated[Path, typer.Argument(help="A town file: the newest version of each activity's tariff is the draft.")],
    month: Annotated[str | None, typer.Option(help="Which month, such as 2026-10 (default: last month).")] = None,
    data: Data = None,
) -> None:
    """What a draft of the tariffs would have cost each family in a month, beside what it did cost. Changes nothing."""
    from deploy.pricing import price_draft as run  # noqa: PLC0415 -- see above
    from services.booking.school_calendar import follow  # noqa: PLC0415 -- see above

    settings = existing(settings_of(data))
    follow(settings.school_holidays)
    _run(run(settings, file, month))


@app.command()
def events(
    subject: Annotated[str, typer.Argument(help="Such as booking, booking.accepted, or preau.carteville.>")] = "preau.>",
    replay: Annotated[bool, typer.Option("--replay", help="From the first event the stream keeps.")] = False,
    data: Data = None,
) -> None:
    """Follow the events, one readable line each, until Ctrl-C."""
    from deploy.events import follow  # noqa: PLC0415 -- see above

    _run(follow(settings_of(data), subject, replay=replay))


@app.command()
def streams(
    action: Annotated[Literal["show", "declare", "nack"], typer.Argument(help="show, declare (make what is missing) or nack.")] = "show",
    data: Data = None,
) -> None:
    """The streams and consumers that the services declare: as JSON, at the broker, or as resources for NACK."""
    from deploy import streams  # noqa: PLC0415 -- see above

    settings = settings_of(data)
    if action == "declare":
        for name in _run(streams.declare(settings)):
            print(f"{name}: declared")
    else:
        print(streams.nack(settings) if action == "nack" else streams.shown(settings), end="")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are: a new folder is made in it.")],
    keep: Annotated[int | None, typer.Option(min=1, help="Keep so many, and delete older ones.")] = None,
    data: Data = None,
) -> None:
    """Copy all databases as they are at one moment, while everybody works on; and who may do what at the broker."""
    from deploy.backup import backup as run  # noqa: PLC0415 -- see above
    from deploy.restore import refuse_if_cut_short  # noqa: PLC0415 -- see above

    settings = existing(settings_of(data))
    _run(refuse_if_cut_short(settings))
    print(_run(run(settings, folder, keep)))


@app.command()
def upgrade(
    backups: Annotated[Path, typer.Argument(help="Where the backup is made that comes before.")],
    data: Data = None,
) -> None:
    """Bring databases up to date with this version: backed up first, all of them tried, then done."""
    from deploy.upgrade import upgrade as run  # noqa: PLC0415 -- see above

    for line in _run(run(existing(settings_of(data)), backups)):
        print(line)


@app.command()
def restore(
    folder: Annotated[Path | None, typer.Argument(help="One backup.")] = None,
    services: Annotated[list[str] | None, typer.Argument(help="Which services (default: all, which is what is sound).")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Even if others know what these would not have told.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put back what was there before a restore that was cut short.")] = False,
    data: Data = None,
) -> None:
    """Put a backup in the databases' place. Stop everything first; what was there is kept beside it."""
    from deploy.restore import restore as run  # noqa: PLC0415 -- see above
    from deploy.restore import undo as run_undo  # noqa: PLC0415 -- see above

    if undo == (folder is not None):
        raise Trouble("say which backup, or --undo")
    if folder is None:
        print("\n".join(_run(run_undo(settings_of(data)))))
        return
    if unknown := set(services or ()) - set(SERVICES):
        raise Trouble(f"there is no service {', '.join(sorted(unknown))}: there are {', '.join(SERVICES)}")
    for line in _run(run(settings_of(data), folder, services or (), anyway=anyway)):
        print(line)


@app.command()
def partners(
    action: Annotated[
        Literal["list", "add", "renew", "remove", "values"],
        typer.Argument(help="list, add, renew (its key), remove, or values (for the official NATS chart)."),
    ] = "list",
    name: Annotated[str | None, typer.Argument(help="What the partner is called, such as canteen.")] = None,
    hears: Annotated[str | None, typer.Argument(help="A town, or a service or event of it, such as carteville.booking.")] = None,
    public_key: Annotated[str | None, typer.Option(help="The partner's own, U... (default: a new pair is made).")] = None,
    folder: Annotated[Path | None, typer.Option(help="Of keys and the broker's accounts (default: broker/ in the data folder).")] = None,
    data: Data = None,
) -> None:
    """Other systems that may hear a town's events from the broker; writes its accounts, and keys for our own processes."""
    from deploy.broker import FOLDER, values  # noqa: PLC0415 -- see above
    from deploy.partners import act  # noqa: PLC0415 -- see above

    settings = settings_of(data)
    where = folder or settings.data / FOLDER
    if action == "values":
        print(values(where), end="")
    else:
        _run(act(settings, where, action, name, hears, public_key))


@app.command()
def webhooks(
    action: Annotated[
        Literal["list", "add", "renew", "enable", "disable", "skip", "replay", "remove"],
        typer.Argument(help="list, add, renew (the secret), enable, disable, skip (the next event), replay or remove."),
    ] = "list",
    what: Annotated[str | None, typer.Argument(metavar="ID|TOWN", help="Which one; add: of which town.")] = None,
    url: Annotated[str | None, typer.Argument(help="add: where it is told, https://...")] = None,
    events: Annotated[list[str] | None, typer.Option("--event", help="add: a service, or an event of it (default: all).")] = None,
    since: Annotated[str | None, typer.Option(help="replay: from when on, such as 2026-11-30T08:00.")] = None,
    data: Data = None,
) -> None:
    """Other systems of a town that are told events by HTTP, signed, in order, until they took each. Secrets are shown once."""
    from deploy.webhooks import Wish, act  # noqa: PLC0415 -- see above

    _run(act(existing(settings_of(data)), Wish(action, what, url, tuple(events or ()), since)))


@app.command("dead-letters")
def dead_letters(
    action: Annotated[Action, typer.Argument(help="list, retry or drop.")] = "list",
    ids: Annotated[list[str] | None, typer.Argument(help="As listed, such as booking/3 (default: all; drop needs them named).")] = None,
    data: Data = None,
) -> None:
    """Events that could not be handled: see them, handle them now, or forget them."""
    from deploy.deadletters import act  # noqa: PLC0415 -- see above

    if not _run(act(existing(settings_of(data)), action, ids or [])):
        raise typer.Exit(1)


@app.command()
def plan(
    query: Annotated[
        str, typer.Argument(metavar="QUERY|FILE|-", help="A GraphQL document, a file that holds one, or - for standard input.")
    ],
    operation: Annotated[str | None, typer.Option(help="Which operation of the document (default: its only one).")] = None,
    variables: Annotated[str, typer.Option(help="JSON; only those count that @skip and @include look at.")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show how the gateway would answer a query: what it asks of which service, in which order. Nothing needs to run."""
    from deploy.planning import Mistake, Wish  # noqa: PLC0415 -- see above
    from deploy.planning import plan as run  # noqa: PLC0415 -- see above

    try:
        print(run(Wish(query, operation, variables, as_json)))
    except Mistake as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


@app.command()
def check(data: Data = None) -> None:
    """Verify on the live databases what must always be true; exit code 1 if something is not."""
    from deploy.check import check as run  # noqa: PLC0415 -- see above

    if not _run(run(existing(settings_of(data)))):
        raise typer.Exit(1)


@app.command("withdraw-key")
def withdraw_key(
    kid: Annotated[str | None, typer.Argument(help="Its id, as /.well-known/jwks.json has it (default: the newest, which signs).")] = None,
    data: Data = None,
) -> None:
    """Trust a signing key no more, within a second and everywhere: whoever is signed in by it signs in again."""
    from deploy.keys import withdraw  # noqa: PLC0415 -- see above

    settings = existing(settings_of(data))
    print(f"{_run(withdraw(settings, kid))} is withdrawn")
    if settings.signing_key:
        print("If it is the one in PREAU_SIGNING_KEY, give identity another one and start it again.")


@app.command("import")
def import_(
    structure: Annotated[str, typer.Argument(help="The structure's id.")],
    file: Annotated[Path, typer.Argument(help="CSV: a line for each adult and each child (see deploy/town/README.md).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try everything, keep nothing.")] = False,
    data: Data = None,
) -> None:
    """Take families in from a spreadsheet's file; exit code 1, and why, if a line was refused. The same file again changes nothing."""
    from deploy.importing import load as run  # noqa: PLC0415 -- see above

    if not _run(run(existing(settings_of(data)), structure, file, dry_run=dry_run)):
        raise typer.Exit(1)


@app.command()
def operator(
    login: Annotated[str | None, typer.Argument(help="Whose account (default: list them).")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="No operator any more, at once.")] = False,
    data: Data = None,
) -> None:
    """Say who runs the installation: creates structures, and names their administrators. It opens no family's data."""
    from deploy.operators import NOBODY, name  # noqa: PLC0415 -- see above

    operators = _run(name(existing(settings_of(data)), login, operator=not remove))
    if not operators:
        print(NOBODY, file=sys.stderr)
    for one in operators:
        print(one)


@app.command("reset-factors")
def reset_factors(login: Annotated[str, typer.Argument(help="Whose account.")], data: Data = None) -> None:
    """Take an account's second factors away, once you are sure who asks: it is signed out everywhere, and its owner is told by mail."""
    from deploy.factors import reset  # noqa: PLC0415 -- see above

    print(f"{login}: {_run(reset(existing(settings_of(data)), login))} taken away")


@app.command("replay-allocation")
def replay_allocation(
    what: Annotated[str, typer.Argument(metavar="RUN|ACTIVITY", help="A run, such as loisirs/3, or an activity: all its runs.")],
    data: Data = None,
) -> None:
    """Decide scheduled runs again from what they saw; exit code 1, and what differs, if the tables say anything else."""
    from deploy.replay import replay  # noqa: PLC0415 -- see above

    if not _run(replay(existing(settings_of(data)), what)):
        raise typer.Exit(1)


@app.command()
def manifest(
    folder: Annotated[Path, typer.Argument(help="Where a client's documents are: *.graphql, one operation with its fragments each.")],
    file: Annotated[Path, typer.Argument(help="Where to write; - for standard output.")],
) -> None:
    """List a client's documents for PREAU_TRUSTED_DOCUMENTS, each held against the schema first."""
    from deploy.manifest import manifest as run  # noqa: PLC0415 -- see above

    _write(file, run(folder))


@app.command()
def doctor(data: Data = None) -> None:
    """Is everything reachable, migrated, in time; and what to do if not."""
    from deploy.doctor import examine  # noqa: PLC0415 -- see above

    if not _run(examine(settings_of(data))):
        raise typer.Exit(1)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def main() -> None:
    """Never a traceback for what is no bug: one clear line, and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `preau events | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if os.environ.get("PREAU_LOG_LEVEL") == "debug":
            raise
        print("\n".join([f"preau: {_in_words(error)}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        sys.exit(1)


def _in_words(error: Exception) -> str:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 -- see above

    from deploy.town.reading import TownFileError  # noqa: PLC0415 -- see above
    from services.bus import BROKER_TROUBLE  # noqa: PLC0415 -- see above

    match error:
        case TownFileError():
            return f"{'not everything' if hasattr(error, '__notes__') else 'nothing'} was loaded\n{error}"
        case Trouble() | SettingsError():
            return str(error)
        case SQLAlchemyError():
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            missing = "no such table" in reason or "does not exist" in reason
            return f"a database does not answer as it should: {reason}; {'run `preau migrate` first' if missing else 'see `preau doctor`'}"
    if isinstance(error, BROKER_TROUBLE):
        return f"no answer from the broker or a database ({error or type(error).__name__}). Is the system running? See `preau doctor`."
    return f"this should not happen: {type(error).__name__}: {error} (PREAU_LOG_LEVEL=debug shows where)"


if __name__ == "__main__":
    main()
