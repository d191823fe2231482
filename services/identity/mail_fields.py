"""Which mails an account wants, and in which language, as GraphQL."""

from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import mail_choices
from services.identity.entrance import entrance
from services.identity.households import ReportsWanted
from services.identity.refusals import InvalidEntry, or_refusal
from services.identity.types import Account

LanguageResult = Annotated[Account | InvalidEntry, strawberry.union("LanguageResult")]


@strawberry.type
class MailMutations:
    @strawberry.mutation
    async def set_reports(self, info: Info, wanted: ReportsWanted) -> Account:
        """How this adult hears what became of requests. In force at once; what waits for the evening is still told then."""
        return await _chosen(info, reports=wanted)

    @strawberry.mutation
    async def set_announcements_by_mail(self, info: Info, wanted: bool) -> Account:
        """Whether this adult gets the structure's announcements by mail, too. In force at once."""
        return await _chosen(info, announcements=wanted)

    @strawberry.mutation
    async def set_language(self, info: Info, wanted: str) -> LanguageResult:
        """Of this account's mails, and of what is written for it: "fr" or "en". In force at once, for what is written from now on."""
        return await or_refusal(info, _spoken(info, wanted))


async def _chosen(info: Info, reports: ReportsWanted | None = None, announcements: bool | None = None) -> Account:
    caller, running = info.context.signed_in(), info.context.running
    async with running.database.transaction() as session:
        await mail_choices.choose(session, running.clock, caller, reports, announcements)
    running.outbox_written()
    return Account.of(await entrance(info).account(caller))


async def _spoken(info: Info, language: str) -> Account:
    caller, running = info.context.signed_in(), info.context.running
    async with running.database.transaction() as session:
        await mail_choices.speak(session, running.clock, caller, language)
    running.outbox_written()
    return Account.of(await entrance(info).account(caller))
