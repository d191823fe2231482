"""What graphql-core says of a wrong value is said in French, unless English is asked for first."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, build_schema, parse
from graphql.execution.values import get_variable_values

from services.refusal import UNFIT, in_french, language_of

SCHEMA = build_schema("""
  enum Size { SMALL LARGE }
  input Line { size: Size! count: Int price: Float note: String sure: Boolean id: ID }
  input Choice @oneOf { one: Int other: Int }
  type Query { f(lines: [Line!]!, id: ID!, choice: Choice): Int }
""")


def said(declared: str, **variables: Any) -> list[str]:
    """All that graphql-core complains of, in French."""
    (operation,) = parse(f"query({declared}) {{ f }}").definitions
    assert isinstance(operation, OperationDefinitionNode)
    found = get_variable_values(SCHEMA, operation.variable_definitions or (), variables)
    assert isinstance(found, list), "nothing was wrong"
    return [in_french(error.message) for error in found]


def line(**wrong: Any) -> list[str]:
    return said("$line: Line", line={"size": "SMALL"} | wrong)


def test_a_variable_that_is_missing_or_null() -> None:
    assert said("$id: ID!") == ["id : une valeur est attendue."]
    assert said("$id: ID!", id=None) == ["id : une valeur est attendue, et non null."]
    assert said("$lines: [Line!]!", lines=[None]) == ["lines[0] : une valeur est attendue, et non null."]


@pytest.mark.parametrize(
    ("wrong", "french"),
    [
        ({"size": "HUGE"}, "line.size : « HUGE » n’est pas une valeur de Size."),
        ({"size": "SMAL"}, "line.size : « SMAL » n’est pas une valeur de Size."),
        ({"size": "'enum."}, "line.size : « 'enum. » n’est pas une valeur de Size."),
        ({"size": "x" * 100}, f"line.size : « {'x' * 60}... » n’est pas une valeur de Size."),
        ({"size": 3}, "line.size : une valeur de Size est attendue."),
        ({"count": "three"}, "line.count : un nombre entier est attendu."),
        ({"count": 1.5}, "line.count : un nombre entier est attendu."),
        ({"count": 2**31}, "line.count : un nombre entier moins grand est attendu."),
        ({"price": "dear"}, "line.price : un nombre est attendu."),
        ({"note": 4}, "line.note : un texte est attendu."),
        ({"sure": "yes"}, "line.sure : true ou false est attendu."),
        ({"id": 1.5}, "line.id : un identifiant est attendu."),
        ({"colour": "red"}, "line : le champ « colour » n’existe pas dans Line."),
        ({"sise": "SMALL"}, "line : le champ « sise » n’existe pas dans Line."),
    ],
)
def test_a_value_that_does_not_fit(wrong: dict[str, Any], french: str) -> None:
    assert line(**wrong) == [french]


def test_an_object_that_does_not_fit() -> None:
    assert said("$lines: [Line!]!", lines=[{"size": "SMALL"}, {}]) == ["lines[1] : le champ « size » est attendu."]
    assert said("$line: Line", line=3) == ["line : un objet Line est attendu."]


def test_what_is_not_recognised_is_said_in_general_and_tells_nothing_of_the_inside() -> None:
    assert said("$choice: Choice", choice={"one": 1, "other": 2}) == [f"choice : {UNFIT}"]
    inside = "Variable '$day' has invalid value: Expected value of type 'Date', but encountered error 'psycopg'; found: '{0} x'."
    assert in_french(inside) == f"day : {UNFIT}"


def test_what_is_wrong_with_a_document_is_for_whoever_wrote_it() -> None:
    assert in_french("Cannot query field 'x' on type 'Query'.") == "Cannot query field 'x' on type 'Query'."


@pytest.mark.parametrize(("header", "language"), [(None, "fr"), ("", "fr"), ("de", "fr"), ("en-GB,fr", "en"), ("fr,en", "fr")])
def test_french_unless_english_is_asked_for_first(header: str | None, language: str) -> None:
    assert language_of(header) == language
