"""Whom a town does not know is asked, at an e-mail address, by a letter that anybody might get: consent is its link's, used once."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import col, delete, select, update

from services.identity import attempts, installation, invariants, privacy, ranks
from services.identity.erasure import ErasureState
from services.identity.hashing import no_password
from services.identity.invitations import Gives, InvitationState, state_of
from services.identity.paper_codes import COUNTER, PRINTED
from services.identity.tables import Account, Credential, Erasure, Invitation, RecoveryCode
from services.outbox import Outgoing
from tests.identity.test_office import Desk
from tests.identity.test_ranks import sets
from tests.identity.town import AGENT, AGENT_PASSWORD, DUPONT, NEIGHBOUR, NOW, PASSWORD, RunFixture, Town

ADDRESS = "leo@example.org"
STRONG = "Soleil-vert-du-matin-2027"
INVITATION = """__typename ... on Refusal { code message } ... on Invitation {
  id email gives state family { id } invitedBy { lastName } adult { lastName } invitedAt expiresAt }"""
LIST = """query ($first: Int, $after: String, $structure: ID = "carteville") {
  invitations(structure: $structure, first: $first, after: $after) { nodes { id email gives state adult { lastName } } endCursor hasNextPage } }"""
OFFER = """query ($token: String!) { invitation(token: $token) {
  __typename ... on Refusal { code } ... on InvitationOffer { structureName gives email } } }"""
ACCEPT = """mutation ($token: String!) { acceptInvitation(token: $token) {
  __typename ... on Refusal { code message } ... on InvitationAccepted { structureName gives family } } }"""
OPEN = """mutation ($input: OpenInvitedAccountInput!) { openInvitedAccount(input: $input) {
  __typename ... on Refusal { code message } ... on SignedIn { accessToken account { id login email agentOf { id } families { id } } } } }"""


@pytest.fixture
async def town(running: RunFixture) -> Town:
    """With an administrator; and beside it another, which knows leo."""
    town = await Town.of(running)
    leo = replace(DUPONT, login="leo", first_name="Léo", last_name="PETIT", email=ADDRESS, structure="autreville")
    await town.puts(replace(AGENT, login="chief", last_name="CHEF", administrator=True), NEIGHBOUR, leo)
    await has_a_password_of_their_own(town, "leo")
    return town


async def has_a_password_of_their_own(town: Town, login: str) -> None:
    """As if the one they sign in with were not what a town gave them."""
    whose = select(Account.id).where(Account.login == login)
    async with town.running.database.transaction() as session:
        await session.exec(update(Credential).where(col(Credential.account_id).in_(whose)).values(loaded_hash=no_password()))


async def invites(town: Town, by: str = "agent", name: str = "inviteAdult", **more: Any) -> dict[str, Any]:
    desk = await Desk.of(town, by)
    whom = {"family": "dupont"} if name == "inviteAdult" else {"structure": "carteville", "reason": "Recrutement"}
    given = {"email": ADDRESS, "idempotencyKey": f"{by} {name} {len(await links(town))}", **whom, **more}
    document = f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {INVITATION} }} }}"
    answer: dict[str, Any] = (await town.answers(document, desk.token, input=given))[name]
    return answer


async def withdraws(town: Town, invitation: str, by: str = "agent") -> Any:
    bearer = (await town.signs_in(by, AGENT_PASSWORD))["accessToken"]
    document = f"mutation ($input: WithdrawInvitationInput!) {{ withdrawInvitation(input: $input) {{ {INVITATION} }} }}"
    given = {"invitation": invitation, "reason": "Erreur", "idempotencyKey": f"{by} {invitation}"}
    data, errors = await town.asked(document, bearer, input=given)
    return errors[0].message if errors else (data or {})["withdrawInvitation"]


async def links(town: Town) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in await town.events("invitation_made")]


async def accepts(town: Town, token: str, login: str | None = "leo", password: str = PASSWORD) -> dict[str, Any]:
    bearer = (await town.signs_in(login, password))["accessToken"] if login else None
    data, errors = await town.asked(ACCEPT, bearer, token=token)
    return {"code": errors[0].message} if errors else (data or {})["acceptInvitation"]


async def opens(town: Town, token: str, login: str = "ana", password: str = STRONG, **more: Any) -> dict[str, Any]:
    given = {"token": token, "login": login, "password": password, "firstName": "Ana", "lastName": "NOUVELLE", **more}
    answer: dict[str, Any] = (await town.answers(OPEN, input=given))["openInvitedAccount"]
    return answer


# ------------------------------------------------------------------------------------------------------------------ inviting
async def test_the_answer_is_the_same_whether_or_not_anybody_has_the_address(town: Town) -> None:
    answers = [await invites(town, email=email) for email in (ADDRESS, "nobody@example.org")]
    known, unknown = ({**one, "id": "", "email": ""} for one in answers)
    assert known == unknown
    assert answers[0] | {"id": "", "invitedAt": "", "expiresAt": ""} == {
        "__typename": "Invitation", "id": "", "email": ADDRESS, "gives": "FAMILY", "state": "OPEN", "family": {"id": "dupont"},
        "invitedBy": {"lastName": "MARTIN"}, "adult": None, "invitedAt": "", "expiresAt": "",
    }  # fmt: skip
    told = await links(town)
    assert [(one["email"], one["gives"], one["language"], one["family"]) for one in told] == [
        (ADDRESS, "FAMILY", "fr", "dupont"), ("nobody@example.org", "FAMILY", "fr", "dupont"),
    ]  # fmt: skip
    assert [one["expires_at"] for one in told] == ["2026-11-30T07:00:00Z"] * 2, "seven days"
    acts = await (await Desk.of(town)).acts()
    assert [act["kind"] for act in acts] == ["INVITE"] * 2
    assert {one["name"]: one["after"] for one in acts[1]["details"]} == {"gives": "FAMILY", "email": "l***@example.org"}
    async with town.running.database.reading() as session:
        sums = (await session.exec(select(Invitation.token_sum))).all()
    assert not {one["token"] for one in told} & set(sums), "only a sum is kept"


async def test_the_same_key_is_the_same_invitation_and_another_to_the_same_replaces_it(town: Town) -> None:
    once = {"idempotencyKey": "once"}
    first = await invites(town, **once)
    assert (await invites(town, **once), len(await links(town))) == (first, 1)
    assert (await invites(town, email="autre@example.org", **once))["code"] == "IDEMPOTENCY_KEY_REUSED"
    await invites(town, email=ADDRESS.upper())
    old, new = [one["token"] for one in await links(town)]
    assert (await accepts(town, old))["code"] == "INVALID_TOKEN"
    assert (await accepts(town, new))["__typename"] == "InvitationAccepted"


@pytest.mark.parametrize(
    ("name", "input", "code"),
    [
        ("inviteAdult", {"email": "not an address"}, "INVALID_EMAIL"),
        ("inviteAdult", {"email": ""}, "INVALID_EMAIL"),
        ("inviteAdult", {"language": "de"}, "INVALID_ENTRY"),
        ("inviteAdult", {"reason": "no"}, "REASON_REQUIRED"),
        ("inviteColleague", {"reason": "no"}, "REASON_REQUIRED"),
        ("inviteColleague", {}, "ADMINISTRATOR_REQUIRED"),
    ],
)
async def test_what_cannot_be_is_refused_and_nobody_written_to(town: Town, name: str, input: dict[str, Any], code: str) -> None:
    assert (await invites(town, name=name, **input))["code"] == code
    assert await links(town) == []


async def test_few_letters_go_to_one_address(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (attempts.INVITED.free, attempts.INVITING.free) == (3, 50)
    for _ in range(3):
        assert (await invites(town))["__typename"] == "Invitation"
    assert (await invites(town))["code"] == "TOO_MANY_ATTEMPTS"
    monkeypatch.setattr(attempts, "INVITING", replace(attempts.INVITING, free=4))
    assert [(await invites(town, email=f"{n}@example.org")).get("code") for n in range(2)] == [None, "TOO_MANY_ATTEMPTS"]


async def test_invitations_are_seen_and_withdrawn_by_the_towns_own_agents(town: Town) -> None:
    await town.puts(replace(AGENT, login="other", agent_of="autreville", structure="autreville"))
    made = [(await invites(town, email=f"{n}@example.org"))["id"] for n in range(3)]
    bearer = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    page = (await town.answers(LIST, bearer, first=2))["invitations"]
    assert ([one["id"] for one in page["nodes"]], page["hasNextPage"]) == ([made[2], made[1]], True)
    rest = (await town.answers(LIST, bearer, first=2, after=page["endCursor"]))["invitations"]
    assert ([one["id"] for one in rest["nodes"]], rest["hasNextPage"]) == ([made[0]], False)
    assert (await town.asked(LIST, bearer, structure="autreville"))[1]
    assert (await town.asked(LIST, (await town.signs_in())["accessToken"]))[1]
    assert [await withdraws(town, one, "other") for one in (made[0], "nothing")] == ["Not yours, or not there."] * 2
    assert (await withdraws(town, made[0]))["state"] == "WITHDRAWN"
    assert (await accepts(town, (await links(town))[0]["token"]))["code"] == "INVALID_TOKEN"
    as_colleague = (await invites(town, "chief", "inviteColleague"))["id"]
    assert (await withdraws(town, as_colleague))["code"] == "ADMINISTRATOR_REQUIRED"
    assert (await withdraws(town, as_colleague, "chief"))["state"] == "WITHDRAWN"


# ----------------------------------------------------------------------------------------------------------------- accepting
async def test_whose_password_a_town_knows_joins_no_other_before_having_one_of_their_own(town: Town) -> None:
    await town.puts(replace(DUPONT, login="mia", email="mia@example.org", structure="autreville"))
    await invites(town, email="mia@example.org")
    (link,) = await links(town)
    refused = await accepts(town, link["token"], "mia")
    assert (refused["code"], refused["message"][:27]) == ("PASSWORD_HANDED_OUT", "Le mot de passe de ce compt")
    assert (await town.signs_in("mia"))["account"]["families"] == []
    await has_a_password_of_their_own(town, "mia")
    assert (await accepts(town, link["token"], "mia"))["__typename"] == "InvitationAccepted", "the link was not used up"


async def test_whoever_has_an_account_accepts_with_it_once(town: Town) -> None:
    await invites(town)
    (link,) = await links(town)
    assert (await town.answers(OFFER, token=link["token"]))["invitation"] == {
        "__typename": "InvitationOffer", "structureName": "Mairie de CarteVille", "gives": "FAMILY", "email": ADDRESS,
    }  # fmt: skip
    assert [(await town.answers(OFFER, token=token))["invitation"]["code"] for token in ("x", "", "é\0")] == ["INVALID_TOKEN"] * 3
    assert (await accepts(town, link["token"], None))["code"] == "Sign in first."
    assert (await town.signs_in("leo"))["account"]["families"] == [], "asking alone joins nobody"
    assert await accepts(town, link["token"]) == {
        "__typename": "InvitationAccepted", "structureName": "Mairie de CarteVille", "gives": "FAMILY", "family": "dupont",
    }  # fmt: skip
    assert (await accepts(town, link["token"]))["code"] == "INVALID_TOKEN"
    assert (await town.signs_in("leo"))["account"]["families"] == [{"id": "dupont"}]
    assert json.loads((await town.events("account_opened"))[-1].body)["structure"] == "carteville"
    desk = await Desk.of(town)
    assert [one["lastName"] for one in (await desk.family("3150"))["adults"]] == ["DUPONT", "PETIT"]
    act = (await desk.acts())[0]
    assert (act["kind"], {one["name"]: one["after"] for one in act["details"]}) == (
        "ACCEPT_INVITATION",
        {"gives": "FAMILY", "login": "leo"},
    )
    (listed,) = (await town.answers(LIST, desk.token))["invitations"]["nodes"]
    assert (listed["state"], listed["adult"]) == ("ACCEPTED", {"lastName": "PETIT"})
    async with town.running.database.reading() as session:
        assert await invariants.violations(session) == []


async def test_whoever_has_none_opens_one_of_their_own_and_the_link_confirms_the_address(town: Town) -> None:
    await invites(town)
    (link,) = await links(town)
    token = link["token"]
    for more, code in (
        ({"password": "anaanaanaana"}, "PASSWORD_TOO_WEAK"),
        ({"password": "nouvelle-ana-carteville"}, "PASSWORD_TOO_WEAK"),
        ({"login": "a b"}, "INVALID_ENTRY"),
        ({"firstName": " "}, "INVALID_ENTRY"),
        ({"login": "leo"}, "LOGIN_TAKEN"),
        ({"token": "x"}, "INVALID_TOKEN"),
    ):
        assert (await opens(town, **{"token": token, **more}))["code"] == code
    opened = await opens(town, token, " Ana ", title="Mme")
    assert opened["account"] | {"id": ""} == {"id": "", "login": "ana", "email": ADDRESS, "agentOf": [], "families": [{"id": "dupont"}]}
    assert (await opens(town, token, "ana2"))["code"] == "INVALID_TOKEN"
    own = "{ me { login passwordIsHandedOut pendingEmail } }"
    bearer = (await town.signs_in("ana", STRONG))["accessToken"]
    assert (await town.answers(own, bearer))["me"] == {"login": "ana", "passwordIsHandedOut": False, "pendingEmail": None}
    contacts = json.loads((await town.events("contacts_changed"))[-1].body)
    assert [one["email"] for one in contacts["adults"]] == ["jp.dupont@example.org", ADDRESS]
    await town.puts(replace(DUPONT, login="ana", password=None, email=None))
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Account.email).where(Account.login == "ana"))).one() == ADDRESS, (
            "the town gave none that it could take"
        )


async def test_a_code_from_another_town_s_counter_is_over_when_its_owner_joins(town: Town) -> None:
    """Whoever works there may have kept it: it would open this town's family, too."""
    await invites(town)
    (link,) = await links(town)
    async with town.running.database.transaction() as session:
        leo = (await session.exec(select(Account.id).where(Account.login == "leo"))).one()
        session.add_all(RecoveryCode(account_id=leo, place=place, code_hash="x", made_at=NOW) for place in (COUNTER, PRINTED[0]))
    assert (await accepts(town, link["token"]))["__typename"] == "InvitationAccepted"
    async with town.running.database.reading() as session:
        assert (await session.exec(select(RecoveryCode.place))).all() == [PRINTED[0]], "those that he printed himself are his"


async def test_which_logins_are_free_is_not_tried_out_by_a_link(town: Town) -> None:
    await invites(town)
    (link,) = await links(town)
    said = [(await opens(town, link["token"], "leo"))["code"] for _ in range(6)]
    assert said == ["LOGIN_TAKEN"] * 5 + ["TOO_MANY_ATTEMPTS"]


async def test_a_colleague_is_invited_by_administrators_and_has_the_role_when_they_accept(town: Town) -> None:
    asked = await invites(town, "chief", "inviteColleague", administrator=True)
    assert (asked["gives"], asked["family"]) == ("ADMINISTRATOR", None)
    assert (await accepts(town, (await links(town))[0]["token"]))["gives"] == "ADMINISTRATOR"
    assert (await town.signs_in("leo"))["account"]["agentOf"] == [{"id": "carteville"}]
    # An invitation takes nothing away.
    await invites(town, "chief", "inviteColleague", email="jp.dupont@example.org")
    assert await sets(town, "chief", "dupont", "ADMINISTRATOR") == "ADMINISTRATOR"
    assert (await accepts(town, (await links(town))[1]["token"], "dupont"))["gives"] == "AGENT"
    assert await sets(town, "chief", "chief", "NONE") == "NONE", "dupont still administers"


async def test_an_operator_invites_the_first_administrator(town: Town) -> None:
    async with town.running.database.transaction() as session:
        assert await ranks.set_operator(session, town.running.clock, "chief", operator=True)
    asked = await invites(town, "chief", "inviteColleague", structure="autreville", administrator=True)
    assert asked["gives"] == "ADMINISTRATOR"
    opened = await opens(town, (await links(town))[0]["token"])
    assert opened["account"]["agentOf"] == [{"id": "autreville"}]


@pytest.mark.parametrize("name", ["inviteAdult", "inviteColleague"])
async def test_who_may_invite_no_more_has_invited_nobody(town: Town, name: str) -> None:
    """Or somebody who is sent away could come back by a second address."""
    await town.puts(replace(AGENT, login="second", administrator=True))
    await invites(town, "chief", name)
    left = "NONE" if name == "inviteAdult" else "AGENT"
    assert await sets(town, "second", "chief", left) == left
    token = (await links(town))[0]["token"]
    assert (await accepts(town, token))["code"] == "INVALID_TOKEN"
    assert (await opens(town, token))["code"] == "INVALID_TOKEN"
    assert (await town.answers(OFFER, token=token))["invitation"]["code"] == "INVALID_TOKEN"


# ---------------------------------------------------------------------------------------------------------------- forgetting
def test_what_became_of_an_invitation() -> None:
    soon = NOW.replace(hour=8)
    for accepted, withdrawn, expires, state in (
        (None, None, soon, InvitationState.OPEN),
        (None, None, NOW, InvitationState.EXPIRED),
        (None, NOW, soon, InvitationState.WITHDRAWN),
        (NOW, None, NOW, InvitationState.ACCEPTED),
    ):
        assert state_of(accepted, withdrawn, expires, NOW) is state
    assert [one.value for one in Gives] == ["FAMILY", "AGENT", "ADMINISTRATOR"]


async def test_invitations_run_out_after_seven_days_and_are_forgotten_seven_days_later(town: Town) -> None:
    await invites(town, idempotencyKey="once")
    (link,) = await links(town)
    town.later(days=7)
    assert (await accepts(town, link["token"]))["code"] == "INVALID_TOKEN"
    bearer = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    assert [one["state"] for one in (await town.answers(LIST, bearer))["invitations"]["nodes"]] == ["EXPIRED"]
    for days, left in ((6, 1), (2, 0)):
        town.later(days=days)
        async with town.running.database.transaction() as session:
            (await session.exec(select(Outgoing).where(Outgoing.about == link["invitation"]))).one().published = True
            await session.flush()
            await installation.tidy(session, town.running.clock)
            assert len((await session.exec(select(Invitation))).all()) == left
    assert [(one["token"], one["email"]) for one in await links(town)] == [("", "")], "the outbox too"
    document = f"mutation ($input: InviteAdultInput!) {{ inviteAdult(input: $input) {{ {INVITATION} }} }}"
    given = {"family": "dupont", "email": ADDRESS, "idempotencyKey": "once"}
    _, errors = await town.asked(document, (await Desk.of(town)).token, input=given)
    assert [error.message for error in errors or ()] == ["Not yours, or not there."]


async def test_erasing_a_family_forgets_whom_it_was_offered_to(town: Town) -> None:
    await invites(town)
    await invites(town, "chief", "inviteColleague", email="ana@example.org")
    erasure = Erasure(
        id="e", key="k", structure="carteville", family="dupont", account="chief", reason="Demande", despite=[], asked_at=NOW,
        state=ErasureState.ERASING,
    )  # fmt: skip
    async with town.running.database.transaction() as session:
        session.add(erasure)
        await privacy.erase(session, town.running.clock, erasure)
    assert [(one["email"], one["token"] == "") for one in await links(town)] == [("", True), ("ana@example.org", False)]
    opened = await opens(town, (await links(town))[1]["token"])
    async with town.running.database.transaction() as session:
        assert [row.email for row in (await session.exec(select(Invitation))).all()] == ["ana@example.org"]
        await privacy.forget_accounts(session, [opened["account"]["id"]])
        assert (await session.exec(select(Invitation))).all() == [], "with the account of who accepted"
        assert (await session.exec(select(Account).where(Account.login == "ana"))).first() is None
        await session.exec(delete(Erasure))
