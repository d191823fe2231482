"""What is too large is refused before it costs anything."""

import cProfile
from collections.abc import Callable

import pytest

from gateway import limits
from gateway.documents import Documents
from gateway.trouble import RequestError
from tests.gateway.fakes import SUPERGRAPH, Gateway, Town


@pytest.fixture
def documents() -> Documents:
    return Documents(SUPERGRAPH)


def code_of(documents: Documents, text: str) -> str:
    with pytest.raises(RequestError) as refused:
        documents.plan(documents.operation(text, None), {})
    return str(refused.value.errors[0]["extensions"]["code"])


def test_a_document_has_a_largest_size(documents: Documents) -> None:
    assert code_of(documents, "{ me { id } }" + " " * limits.MOST_CHARACTERS) == "OPERATION_TOO_LARGE"


def test_a_document_has_a_most_of_tokens(documents: Documents) -> None:
    assert code_of(documents, "{ me { " + "id " * limits.MOST_TOKENS + "} }") == "OPERATION_TOO_LARGE"


def test_an_operation_has_a_most_of_fields(documents: Documents) -> None:
    assert code_of(documents, "{ me { " + "id " * limits.MOST_FIELDS + "} }") == "OPERATION_TOO_LARGE"


def test_an_operation_has_a_greatest_depth(documents: Documents) -> None:
    deep = "movements { booking { " * 8
    assert code_of(documents, '{ request(id: "r") { ' + deep + "id" + "}" * 16 + "} }") == "OPERATION_TOO_DEEP"


def test_nesting_beyond_the_parsers_own_depth_is_refused(documents: Documents) -> None:
    text = "{ me " * 1900 + "}" * 1900
    assert code_of(documents, text) in ("OPERATION_TOO_DEEP", "OPERATION_TOO_LARGE", "GRAPHQL_PARSE_FAILED")


def test_an_operation_has_a_most_of_aliases_also_through_fragments(documents: Documents) -> None:
    each = " ".join(f"a{n}: login" for n in range(limits.MOST_ALIASES // 2 + 1))
    assert (
        code_of(documents, f"{{ me {{ ...F ...G }} }} fragment F on Account {{ {each} }} fragment G on Account {{ ...F }}")
        == "TOO_MANY_ALIASES"
    )


def test_an_operation_has_a_most_of_directives(documents: Documents) -> None:
    assert code_of(documents, "{ me { login " + "@include(if: true) " * (limits.MOST_DIRECTIVES + 1) + "} }") == "TOO_MANY_DIRECTIVES"


SIGN_IN = 'signIn(login: "x", password: "y") { __typename }'


@pytest.mark.parametrize(
    "text",
    [
        f"mutation {{ a: {SIGN_IN} b: {SIGN_IN} }}",
        f"mutation {{ ...F ...G }} fragment F on Mutation {{ a: {SIGN_IN} }} fragment G on Mutation {{ b: {SIGN_IN} }}",
        f'mutation {{ ... {{ {SIGN_IN} }} ... on Mutation {{ recoveryQuestion(login: "x") }} }}',
        'mutation { resetPassword(token: "t", new: "n") { __typename } answerRecoveryQuestion(login: "l", answer: "a") { __typename } }',
    ],
)
def test_one_look_at_a_secret_a_request_however_it_is_written(documents: Documents, text: str) -> None:
    assert code_of(documents, text) == "ONE_AUTHENTICATION_A_REQUEST"


def test_one_look_at_a_secret_beside_other_mutations_is_fine(documents: Documents) -> None:
    documents.operation(f"mutation {{ {SIGN_IN} signOut }}", None)


def test_every_mutation_that_looks_at_a_secret_is_counted() -> None:
    """A new one in identity must be added to the list, or here."""
    free = {
        "endSession",
        "eraseFamily",
        "requestMyData",
        "setAnnouncementsByMail",
        "setLanguage",
        "setReports",
        "signOut",
        "signOutEverywhere",
    }
    free |= {"createFamily", "changeFamily", "addChild", "changeChild", "removeChild", "addAdult", "removeAdult"}
    free |= {"retryIdentityDeadLetter", "inviteAdult", "inviteColleague", "withdrawInvitation"}
    free |= {"importFamilies", "setRole", "resetFactors", "createStructure", "changeStructure"}
    free |= {"publishAnnouncement", "changeAnnouncement", "withdrawAnnouncement"}
    mutation = SUPERGRAPH.types["Mutation"].fields
    of_identity = {name for name, field in mutation.items() if "IDENTITY" in field.joins}
    assert of_identity - free == limits.AUTHENTICATION


@pytest.mark.parametrize(
    "text",
    ["{ _service { sdl } }", "{ _entities(representations: []) { __typename } }", "{ ...F } fragment F on Query { x: _service { sdl } }"],
)
def test_the_subgraphs_own_entrances_are_closed(documents: Documents, text: str) -> None:
    assert code_of(documents, text) == "GRAPHQL_VALIDATION_FAILED"


def nested(levels: int) -> str:
    """A document of a few lines that spells out to 2 ** levels fields."""
    fragments = " ".join(f"fragment F{n} on Account {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ me {{ ...F0 }} }} {fragments} fragment F{levels} on Account {{ id }}"


MUCH_WORK = 2_000_000  #: Calls: a second or so. Work that grows with the square of a document needs more, a bomb never ends.


def work(do: Callable[[], object]) -> int:
    """How many calls it makes: the same on every machine, however busy."""
    profile = cProfile.Profile()
    profile.runcall(do)
    return sum(entry.callcount for entry in profile.getstats())


def test_a_fragment_bomb_is_refused_at_once(documents: Documents) -> None:
    codes: list[str | None] = []
    assert work(lambda: codes.append(code_of(documents, nested(100)))) < MUCH_WORK
    assert codes == ["OPERATION_TOO_LARGE"]


def test_fragments_that_spread_each_other_in_a_ring_are_refused(documents: Documents) -> None:
    ring = "{ me { ...A } } fragment A on Account { ...B } fragment B on Account { ...A }"
    assert code_of(documents, ring) == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    "text",
    [
        "{ " + "me { id } " * 499 + "}",
        "{ " + ("me { " + "families { id } " * 24 + "} ") * 20 + "}",
        "{ " + " ".join("... { me { id } }" for _ in range(490)) + "}",
        "{ me { families { bookingAccess { refusal { " + " ".join("... on Refusal { code }" for _ in range(600)) + " } } } } }",
    ],
)
def test_the_worst_that_passes_the_limits_is_planned_without_much_work(documents: Documents, text: str) -> None:
    assert work(lambda: documents.plan(documents.operation(text, None), {})) < MUCH_WORK


def test_introspection_has_a_depth_of_its_own_and_may_not_go_round_in_circles(documents: Documents) -> None:
    circle = "{ __schema { types { " + "fields { type { " * 4 + "name" + "} } " * 4 + "} } }"
    assert code_of(documents, circle) == "GRAPHQL_VALIDATION_FAILED"


def test_the_schema_is_told_a_few_times_a_request(documents: Documents) -> None:
    many = " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(limits.MOST_INTROSPECTIONS + 1))
    assert code_of(documents, f"{{ {many} }}") == "TOO_MANY_INTROSPECTIONS"


async def test_the_standard_introspection_query_passes(entrance: Gateway, carteville: Town) -> None:
    from graphql import get_introspection_query  # noqa: PLC0415 -- only here

    data = await entrance.data(get_introspection_query(input_value_deprecation=True))

    assert {"Query", "PreviewLine"} <= {each["name"] for each in data["__schema"]["types"]}
    assert carteville.asked() == []


def test_long_documents_are_remembered_in_smaller_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever floods the gateway with the longest that there may be fills no memory with them."""
    monkeypatch.setattr("gateway.documents.MOST_REMEMBERED_CHARACTERS", 10_000)
    documents = Documents(SUPERGRAPH)
    for number in range(10):
        documents.operation("{ me { id } }" + " " * number, None)
    assert len(documents._known) == 10
    for number in range(5):
        documents.operation("{ me { id } }" + " " * (4_000 + number), None)
    assert [len(text) > 4_000 for text, _ in documents._known._values] == [True, True]
    documents.operation("{ me { id } }" + " " * 20_000, None)
    assert len(documents._known) == 0, "too long to be remembered at all"


def wide(number: int, names: int) -> str:
    """Few characters; spelled out for every kind of refusal, many fields."""
    asked = " ".join(f"a{n}: bookingAccess {{ refusal {{ code message }} }}" for n in range(names))
    return f"query Q{number} {{ me {{ families {{ {asked} }} }} }}"


def test_an_operation_that_is_wide_only_when_spelled_out_is_refused(documents: Documents) -> None:
    with pytest.raises(RequestError) as refused:
        documents.plan(documents.operation(wide(0, 29), None), {})

    assert refused.value.errors[0]["extensions"]["code"] == "OPERATION_TOO_LARGE"


def test_plans_are_remembered_by_what_they_weigh_not_by_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.documents.MOST_PLANNED_FIELDS", 1_000)
    documents = Documents(SUPERGRAPH)
    small = documents.operation("{ me { login } }", None)
    known = documents.plan(small, {})
    for number in range(4):
        assert documents.plan(small, {}) is known, "used last"
        assert documents.plan(documents.operation(wide(number, 1), None), {}).fields > 250
    assert documents._plans.weight <= 1_000
    assert len(documents._plans) == 4, "three wide ones and the small one"


def test_plans_are_forgotten_in_the_order_of_their_last_use() -> None:
    documents = Documents(SUPERGRAPH, most=4)
    first = documents.operation("{ me { login } }", None)
    for number in range(6):
        documents.operation(f"{{ a{number}: __typename }}", None)
        assert documents.operation("{ me { login } }", None) is first
    for number in range(4):
        documents.operation(f"{{ b{number}: __typename }}", None)
    assert documents.operation("{ me { login } }", None) is not first


@pytest.mark.parametrize(
    "text",
    [
        "{ me { a: login a: firstName } }",
        '{ me { families { children { c: calendar(month: "2026-11") { month } c: calendar(month: "2026-12") { month } } } } }',
        'mutation { cancelBooking(booking: "b") { ... on Booking { x: id } ... on Refusal { x: code } } }',
    ],
)
def test_two_fields_that_would_answer_under_one_name_are_refused(documents: Documents, text: str) -> None:
    assert code_of(documents, text) == "GRAPHQL_VALIDATION_FAILED"


def test_one_field_asked_twice_is_one(documents: Documents) -> None:
    text = '{ me { login login families { id } families { number } x: families { children { day(date: "2026-11-23") { date } } } } }'
    plan = documents.plan(documents.operation(text, None), {})
    assert [fetch.service for fetch in plan.fetches] == ["identity", "booking"]
