"""Families taken in from a file, as GraphQL, with a report of each line."""

import hashlib
from typing import Annotated

import strawberry
from strawberry import ID

from services.audit import reason_of
from services.graphql import Info
from services.identity import importing, office
from services.identity.family_file import MOST_LINES
from services.identity.importing import LineOutcome, Told
from services.identity.office_fields import agent_of, done
from services.identity.refusals import IdempotencyKeyReused, InvalidFile, ReasonRequired, TooManyAttempts, or_refusal
from services.identity.texts import say

strawberry.enum(LineOutcome, description="What became of a line.")


@strawberry.type
class ImportLine:
    line: int
    outcome: LineOutcome
    family: str = strawberry.field(description="The number of its family. Empty: it has none.")
    message: str | None = strawberry.field(description="Why it was refused, or what of it was left alone.")

    @classmethod
    def of(cls, told: Told, language: str) -> "ImportLine":
        why = None if told.why is None else say(told.why.code, language, **told.why.details)
        return cls(line=told.line, outcome=told.outcome, family=told.number, message=why)


@strawberry.type
class ImportReport:
    """What became of each line; of a dry run: what would have."""

    lines: list[ImportLine]
    created: int
    changed: int
    unchanged: int
    refused: int

    @classmethod
    def of(cls, told: list[Told], language: str) -> "ImportReport":
        counts = {outcome: sum(one.outcome is outcome for one in told) for outcome in LineOutcome}
        return cls(
            lines=[ImportLine.of(one, language) for one in told],
            created=counts[LineOutcome.CREATED],
            changed=counts[LineOutcome.CHANGED],
            unchanged=counts[LineOutcome.UNCHANGED],
            refused=counts[LineOutcome.REFUSED],
        )


ImportResult = Annotated[
    ImportReport | InvalidFile | ReasonRequired | IdempotencyKeyReused | TooManyAttempts, strawberry.union("ImportResult")
]


@strawberry.type
class ImportMutations:
    @strawberry.mutation
    async def import_families(
        self, info: Info, structure: ID, csv: str, idempotency_key: str, dry_run: bool = False, reason: str | None = None
    ) -> ImportResult:
        """One line for each adult and each child: what is new is made, what differs is changed, what is not named stays.

        A wrong line keeps its family out, and no other. The same file again changes nothing; with the same key, it answers the same.
        """
        agent, context = agent_of(info, str(structure), reason), info.context

        async def doing() -> ImportReport:
            reason_of(reason, needed=False)
            content = ["IMPORT_FAMILIES", hashlib.sha256(csv.encode(errors="replace")).hexdigest(), dry_run]
            # No answer yet, or none for ever: who died halfway is asked again, and goes on by what is there.
            answer = await done(info, agent, idempotency_key, content, lambda session, who: _nothing())
            if not answer:
                told = await importing.load(context.database, context.clock, agent, csv, dry_run=dry_run, most=MOST_LINES)
                async with context.database.transaction() as session:
                    answer = await office.keep_answer(session, agent, idempotency_key, importing.kept(told))
            context.running.outbox_written()
            return ImportReport.of(importing.told_again(answer), context.language)

        return await or_refusal(info, doing())


async def _nothing() -> str:
    return ""
