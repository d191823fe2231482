"""`preau dead-letters`: events that a service could not handle, for an operator to see, retry or drop."""

from collections.abc import Sequence
from importlib import import_module

from sqlmodel import select

from deploy.trouble import Trouble
from services.database import Database
from services.listening import retry_dead_letter
from services.outbox import DeadLetter
from services.settings import SERVICES, Settings


async def act(settings: Settings, action: str, ids: Sequence[str]) -> bool:
    """False if something could not be done. Ids are `<service>/<number>`, as `list` shows them. Raises Trouble."""
    if action == "drop" and not ids:
        raise Trouble("say which to drop, such as `preau dead-letters drop booking/3`: what is dropped is never handled")
    chosen = _chosen(ids)
    letters = {service: await _letters(settings, service) for service in SERVICES}
    unknown = {f"{service}/{number}" for service, number in chosen} - {_name(s, one) for s, found in letters.items() for one in found}
    if unknown:
        raise Trouble(f"there is no dead letter {', '.join(sorted(unknown))}")
    wanted = [(s, one) for s, found in letters.items() for one in found if not chosen or (s, one.id) in chosen]
    if action == "list":
        _show(wanted)
        return True
    return all([await _do(settings, action, service, one) for service, one in wanted])


def _chosen(ids: Sequence[str]) -> set[tuple[str, int]]:
    chosen = set()
    for text in ids:
        service, _, number = text.partition("/")
        if service not in SERVICES or not number.isdigit():
            raise Trouble(f"{text!r} names no dead letter: they are called like booking/3 (see `preau dead-letters list`)")
        chosen.add((service, int(number)))
    return chosen


def _name(service: str, letter: DeadLetter) -> str:
    return f"{service}/{letter.id}"


async def _letters(settings: Settings, service: str) -> list[DeadLetter]:
    database = Database(settings.database_urls[service])
    try:
        async with database.reading() as session:
            return list((await session.exec(select(DeadLetter).order_by(DeadLetter.id))).all())  # type: ignore[arg-type]  # a column
    finally:
        await database.close()


def _show(letters: Sequence[tuple[str, DeadLetter]]) -> None:
    if not letters:
        print("no dead letters")
        return
    for service, one in letters:
        print(f"{_name(service, one)}  {one.subject}  buried {one.buried_at:%Y-%m-%d %H:%M:%S} UTC after {one.attempts} attempts")
        print(f"    {one.error}")


async def _do(settings: Settings, action: str, service: str, letter: DeadLetter) -> bool:
    database = Database(settings.database_urls[service])
    try:
        if action == "retry":
            await retry_dead_letter(import_module(f"services.{service}.app").service, database, letter, settings.clock)
        else:
            async with database.transaction() as session:
                await session.delete(await session.get_one(DeadLetter, letter.id))
    except Exception as error:
        # Whatever its reaction raises: the letter stays where it was.
        print(f"{_name(service, letter)}: still not possible: {error!r}")
        return False
    finally:
        await database.close()
    print(f"{_name(service, letter)}: {'handled' if action == 'retry' else 'dropped'}")
    return True
