"""SEC4: an unknown login costs exactly what a known one does, so that time tells nobody who has an account.

Work is compared, not time: the same statements and the same hashes. What time says of that is measured by `python -m tests.bench doors`.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event

from services.identity.entrance import RESET_SECONDS
from tests.identity.town import CARTEVILLE, PASSWORD, RunFixture, Town, replace

pytestmark = pytest.mark.usefixtures("dear_passwords")

CASES = {
    "signIn": ("mutation ($login: String!) { signIn(login: $login, password: \"a guess\") { __typename ... on Refusal { code message } } }"),
    "signIn on a device": (
        "mutation ($login: String!) { signIn(login: $login, password: \"a guess\", device: \"another\") { ... on Refusal { code message } } }"
    ),
    "useRecoveryCode": "mutation ($login: String!) { useRecoveryCode(login: $login, code: \"0000-0000-0000\") { ... on Refusal { code message } } }",
    "useRecoveryCode that is none": "mutation ($login: String!) { useRecoveryCode(login: $login, code: \"a guess\") { ... on Refusal { code } } }",
    "recoveryQuestion": "mutation ($login: String!) { recoveryQuestion(login: $login) }",
    "answerRecoveryQuestion": "mutation ($login: String!) { answerRecoveryQuestion(login: $login, answer: \"x\") { ... on Refusal { code message } } }",
}  # fmt: skip
RESET = "mutation ($login: String!) { requestPasswordReset(login: $login) }"


class Work:
    """What the process did: the statements that it sent, the settings of each hash that it compared with."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.hashes: list[str] = []


@asynccontextmanager
async def watched(town: Town, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Work]:
    work, engine, check = Work(), town.running.database.engine.sync_engine, town.entrance.hashing.check

    def sent(_: Any, __: Any, statement: str, *___: Any) -> None:
        work.statements.append(statement)

    async def compared(secret: str, stored: str) -> Any:
        work.hashes.append(stored.rsplit("$", 2)[0])
        return await check(secret, stored)

    event.listen(engine, "before_cursor_execute", sent)
    with monkeypatch.context() as patched:
        patched.setattr(town.entrance.hashing, "check", compared)
        yield work
    event.remove(engine, "before_cursor_execute", sent)


@pytest.fixture
async def town(running: RunFixture) -> Town:
    """Where the DUPONTs have all that there is: a question, which is on, codes on paper, an address."""
    town = await Town.of(running)
    await town.puts(replace(CARTEVILLE, secret_questions=True))
    bearer = (await town.signs_in())["accessToken"]
    question = 'mutation ($p: String!) { changeSecurityQuestion(password: $p, question: "PET", answer: "Gribouille") { __typename } }'
    assert (await town.answers(question, bearer, p=PASSWORD)) == {"changeSecurityQuestion": {"__typename": "Account"}}
    await town.answers("mutation ($p: String!) { newRecoveryCodes(password: $p) { __typename } }", bearer, p=PASSWORD)
    return town


@pytest.mark.parametrize("name", CASES)
async def test_sec4_an_unknown_login_costs_exactly_what_a_known_one_does(town: Town, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    done: dict[str, tuple[list[Work], list[Any]]] = {"dupont": ([], []), "nobody": ([], [])}
    for _ in range(6):  # until the sixth has to wait
        for login, (works, answers) in done.items():
            async with watched(town, monkeypatch) as work:
                answers.append(await town.answers(CASES[name], login=login))
            works.append(work)
    known, unknown = done["dupont"], done["nobody"]
    if name != "recoveryQuestion":
        assert known[1] == unknown[1]
        assert [len(work.hashes) for work in known[0]] == [1] * 5 + [0], "control: five tries are looked at"
    assert all(work.statements for work in known[0]), "control: something was watched"
    for mine, theirs in zip(known[0], unknown[0], strict=True):
        assert mine.statements == theirs.statements
        assert mine.hashes == theirs.hashes


async def test_sec4_asking_for_a_letter_takes_longer_than_any_work_it_makes(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    for login in ("dupont", "nobody"):
        begun = time.monotonic()
        async with watched(town, monkeypatch) as work:
            assert await town.answers(RESET, login=login) == {"requestPasswordReset": True}
        assert time.monotonic() - begun >= RESET_SECONDS
        assert work.hashes == []
        assert len(work.statements) <= 20, "a few milliseconds: what differs is over long before the answer"


async def test_sec4_a_right_answer_and_a_wrong_one_take_no_less_than_always(town: Town) -> None:
    ask = "mutation ($a: String!) { answerRecoveryQuestion(login: \"dupont\", answer: $a) { __typename } }"  # fmt: skip
    for answer, told in (("wrong", "InvalidCredentials"), ("gribouille", "RecoveryGranted")):
        begun = time.monotonic()
        assert (await town.answers(ask, a=answer))["answerRecoveryQuestion"] == {"__typename": told}
        assert time.monotonic() - begun >= RESET_SECONDS
