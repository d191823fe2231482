"""S3: codes on paper are typed by hand, and cannot be guessed."""

import math

import pytest

from services.identity.paper_codes import ALPHABET, COUNTER, PRINTED, SECRET_LENGTH, grouped, new_code, plain_code


def test_s3_a_code_has_more_than_fifty_bits_of_chance() -> None:
    assert SECRET_LENGTH * math.log2(len(ALPHABET)) >= 50
    assert len({new_code("0") for _ in range(1000)}) == 1000


def test_s3_a_code_is_written_in_groups_of_four_and_says_which_it_is() -> None:
    for place in (*PRINTED, COUNTER):
        code = new_code(place)
        written = grouped(code)
        assert (code[0], [len(group) for group in written.split("-")]) == (place, [4, 4, 4])
        assert plain_code(written) == code


@pytest.mark.parametrize("typed", ["3k7m q2xr 9tde", " 3K7M-Q2XR-9TDE\n", "3k7mq2xr9tde", "3K7M–Q2XR–9TDE"])
def test_s3_however_it_is_typed_it_is_the_same_code(typed: str) -> None:
    assert plain_code(typed) == "3K7MQ2XR9TDE"


def test_s3_letters_that_look_like_figures_are_taken_for_them() -> None:
    assert plain_code("OIl0-1111-0000") == "011011110000"


@pytest.mark.parametrize("typed", ["", "3K7M-Q2XR-9TD", "3K7M-Q2XR-9TDEE", "3K7M-Q2XR-9TDU", "é" * 12, "٣" * 12, "x" * 100_000])
def test_s3_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert plain_code(typed) == ""
