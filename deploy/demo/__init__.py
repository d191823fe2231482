"""The demonstration town: who can sign in, and the two families that ask for a place where none is left."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from deploy.town.checking import read_town
from deploy.town.opendays import open_days
from deploy.town.town import Town
from services.clock import Clock

DEMO = Path(__file__).parent / "carteville.yaml"

#: Login -> why one would sign in as this family.
GUESTS = {
    "dupont": "the guide's family: 50,06 in PERISCOLAIRE",
    "martin": "three children, two wallets",
    "moreau": "one of two adults; the other is thomas",
    "leroy": "in debt: booking is closed",
    "roux": "hours of one's own choice",
    "kone": "waits for a place; reads English",
    "agent": "town hall",
}

#: They ask for the Wednesday that is full, after everything is loaded: they wait, and their reports lie in the mailbox.
WAITING = (("lefebvre", "lefebvre", "arthur"), ("kone", "kone", "moussa"))
FULL = ("mercredi-matin", dt.timedelta(days=15))  #: Its first open day from so many days ahead is full.

SIGN_IN = "mutation($login: String!, $password: String!) { signIn(login: $login, password: $password) { ... on SignedIn { accessToken } } }"
SUBMIT = """mutation($family: ID!, $key: String!, $child: ID!, $activity: ID!, $date: Date!) {
  submitBookings(input: {family: $family, idempotencyKey: $key, lines: [{change: BOOK, child: $child, activity: $activity, date: $date}]}) {
    __typename
  }
}"""


def town(clock: Clock) -> Town:
    return read_town(DEMO, clock)


def demo_logins() -> Iterator[str]:
    """One line each, for people who want to look around."""
    for account in town(Clock()).accounts:
        if account.login in GUESTS:
            yield f"login {account.login} {account.password} ({GUESTS[account.login]})"


async def ask_for_the_full_day(gateway: str, clock: Clock) -> None:
    """As two families do it: through the gateway. Again and again it remains one request each."""
    demo = town(clock)
    passwords = {account.login: account.password for account in demo.accounts}
    name, ahead = FULL
    spec = next(activity.spec for activity in demo.activities if activity.spec.id == name)
    (day,) = open_days(spec, clock.today(spec.timezone) + ahead, 1)
    async with httpx2.AsyncClient(base_url=gateway, timeout=10) as client:
        for login, family, child in WAITING:
            signed_in = await _ask(client, SIGN_IN, {"login": login, "password": passwords[login]}, None)
            variables = {"family": family, "key": f"demo-{day}", "child": child, "activity": name, "date": day.isoformat()}
            await _ask(client, SUBMIT, variables, signed_in["signIn"]["accessToken"])


async def _ask(client: httpx2.AsyncClient, query: str, variables: dict[str, Any], token: str | None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    data: dict[str, Any] = answer.json()["data"]
    return data
