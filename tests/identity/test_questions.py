"""S3: nobody learns from the secret question whether an account exists."""

from services.identity.questions import QUESTIONS, decoy

SECRET = b"an installation's own secret"


def test_s3_the_same_unknown_login_always_gets_the_same_question() -> None:
    assert decoy("nobody", SECRET, "fr") == decoy("nobody", SECRET, "fr") == decoy(" NOBODY ", SECRET, "fr")


def test_s3_decoys_are_spread_over_the_whole_list() -> None:
    assert {decoy(f"login{n}", SECRET, "fr") for n in range(300)} == {french for french, _ in QUESTIONS}


def test_s3_a_decoy_cannot_be_foretold_from_the_source_code() -> None:
    logins = [f"login{n}" for n in range(40)]
    assert [decoy(login, SECRET, "fr") for login in logins] != [decoy(login, b"another secret", "fr") for login in logins]


def test_s3_the_same_question_in_english() -> None:
    french_to_english = dict(QUESTIONS)
    assert decoy("nobody", SECRET, "en") == french_to_english[decoy("nobody", SECRET, "fr")]
