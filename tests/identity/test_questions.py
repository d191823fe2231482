"""S3: nobody learns from the secret question whether an account exists."""

import pytest

from services.identity.questions import QUESTIONS, asked, code_of, decoy, offered, plain_answer

SECRET = b"an installation's own secret"


def test_s3_the_same_unknown_login_always_gets_the_same_question() -> None:
    assert decoy("nobody", SECRET) == decoy("nobody", SECRET) == decoy(" NOBODY ", SECRET)


def test_s3_decoys_are_spread_over_the_whole_list() -> None:
    assert {decoy(f"login{n}", SECRET) for n in range(300)} == set(QUESTIONS)


def test_s3_a_decoy_cannot_be_foretold_from_the_source_code() -> None:
    logins = [f"login{n}" for n in range(40)]
    assert [decoy(login, SECRET) for login in logins] != [decoy(login, b"another secret") for login in logins]


def test_s3_the_decoy_is_the_first_that_is_offered_so_that_choosing_it_changes_nothing() -> None:
    assert offered("dupont", SECRET)[0] == decoy("dupont", SECRET)
    assert sorted(offered("dupont", SECRET)) == sorted(QUESTIONS)


def test_s7_a_question_is_kept_as_a_code_and_shown_in_the_readers_language() -> None:
    for code, (french, english) in QUESTIONS.items():
        assert code_of(french) == code_of(f" {english} ") == code_of(code) == code
        assert (asked(code, "fr"), asked(code, "en")) == (french, english)
    assert code_of("Le nom de mon chat ?") is None
    assert asked("Le nom de mon chat ?", "en") == "Le nom de mon chat ?", "from before there was a list"


@pytest.mark.parametrize("typed", ["Saint-Étienne", " saint etienne", "SAINT-ETIENNE.", "saint\u2011e\u0301tienne"])
def test_s3_however_an_answer_is_typed_it_is_the_same(typed: str) -> None:
    assert plain_answer(typed) == "saintetienne"
