from hypothesis import given
from hypothesis import strategies as st

from server.services.import_frame.check_digits import has_valid_check_digits, with_check_digits

numbers = st.text("0123456789", min_size=9, max_size=9)


def test_the_printed_example_is_right() -> None:
    assert with_check_digits("072031112") == "07203111264"
    assert has_valid_check_digits("07203111264")


@given(numbers)
def test_every_key_with_check_digits_is_valid(number: str) -> None:
    assert has_valid_check_digits(with_check_digits(number))


@given(numbers, st.integers(0, 10), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_always_caught(number: str, place: int, digit: str) -> None:
    key = with_check_digits(number)
    altered = key[:place] + digit + key[place + 1 :]
    assert has_valid_check_digits(altered) == (altered == key)


@given(numbers, st.integers(0, 9))
def test_two_swapped_neighbours_are_always_caught(number: str, place: int) -> None:
    key = with_check_digits(number)
    altered = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert has_valid_check_digits(altered) == (altered == key)


def test_letters_signs_and_other_scripts_digits_are_no_key() -> None:
    assert not any(map(has_valid_check_digits, ("", "1", "-98", "٩٨٩٨٩٨", "98 98", "9" * 40)))
