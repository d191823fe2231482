"""Refusals of requests: in the caller's language, and what graphql-core found, in its own words after ours."""

import pytest

from gateway.documents import Documents
from gateway.texts import TEXTS
from gateway.trouble import RequestError
from tests.gateway.fakes import SUPERGRAPH


@pytest.mark.parametrize(
    ("text", "french", "english"),
    [
        (
            "{ me {",
            "Le document n’est pas du GraphQL : Syntax Error: Expected Name, found <EOF>.",
            "Syntax Error: Expected Name, found <EOF>.",
        ),
        (
            "{ nobody }",
            "Le document ne convient pas au schéma : Cannot query field 'nobody' on type 'Query'.",
            "Cannot query field 'nobody' on type 'Query'.",
        ),
        ("{ me { a: login a: id } }", "Le document ne convient pas au schéma : Fields 'a' conflict", "Fields 'a' conflict"),
        ("{ me { " + "login " * 5_000 + "} }", "Un document a au plus 4000 mots.", "A document has at most 4000 tokens."),
        ("{ me { " + "login " * 1_001 + "} }", "Une opération demande au plus 1000 champs.", "An operation asks for at most 1000 fields."),
        ("{ __typename }" + " " * 32_000, "Un document a au plus 32000 caractères.", "A document has at most 32000 characters."),
        ("query A { __typename } query B { __typename }", "Dites laquelle des opérations", "Say which of the operations"),
    ],
)
def test_a_document_is_refused_in_both_languages(text: str, french: str, english: str) -> None:
    documents = Documents(SUPERGRAPH)
    with pytest.raises(RequestError) as refused:
        documents.plan(documents.operation(text, None), {})

    assert refused.value.told("fr")[0]["message"].startswith(french)
    assert refused.value.told("en")[0]["message"].startswith(english)
    assert refused.value.told("fr")[0]["extensions"] == refused.value.told("en")[0]["extensions"]


def test_both_languages_have_the_same_details() -> None:
    import string  # noqa: PLC0415 -- only here

    def details(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for code, (french, english) in TEXTS.items():
        assert details(french) == details(english), code
