"""Names are stored in one form, and compared as they look."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.names import clean_name, is_same_name, normal_name

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2065\u206a"
    "\u2800\u3164\ufe0f\ufeff\uffa0\ufff9\U0001d159\U0001d173\U000e0001\U000e0041\U000e0100"
)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # "I want", whose two parts must not join
SINHALA = "\u0dc1\u0dca\u200d\u0dbb\u0dd3"  # "Sri", whose letters join by ZWJ alone
anything = st.text(st.characters() | st.sampled_from(UNSEEN + "\u2028\u00a0\t \u0301\u0338\u1100\u1161"), max_size=12)


def clean(text: str) -> str:
    return clean_name(text, max_chars=100)


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"U+{ord(char):04X}")
def test_a_name_of_nothing_that_can_be_seen_is_refused(char: str) -> None:
    for text in (char, char * 3, f" {char}\u00a0{char} ", f"\u0301{char}"):
        with pytest.raises(ValueError, match="can be seen"):
            clean(text)


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"U+{ord(char):04X}")
def test_what_nobody_sees_is_not_stored(char: str) -> None:
    assert clean(f"{char}billing{char} worker{char}") == "billing worker"
    assert clean(f"bill{char}ing").replace(" ", "") == "billing"


@pytest.mark.parametrize("gap", ["  ", "\u00a0", "\u3000 ", "\u2028", "\u2009\u2029", " \u200b ", "\u2800"])
def test_white_space_is_one_space(gap: str) -> None:
    assert clean(f"{gap}billing{gap}worker{gap}") == "billing worker"


@pytest.mark.parametrize("name", [PERSIAN, SINHALA, FAMILY, SCOTLAND, "\u2764\ufe0f\u200d\U0001f525", "1\ufe0f\u20e3"])
def test_what_joins_letters_or_emoji_into_others_is_kept(name: str) -> None:
    assert clean(f" {name} ") == name


@pytest.mark.parametrize("text", [f"{PERSIAN}\u200c", f"\u200d{PERSIAN}", f"{PERSIAN}\u200c\u200c"])
def test_a_joiner_at_the_edge_of_a_word_is_not_kept(text: str) -> None:
    assert clean(text) == PERSIAN


@pytest.mark.parametrize("text", ["a\x00b", "a\tb", "a\nb", "a\x85b", "a\u202eb", "a\u2066b\u2069", "\ud800"])
def test_controls_and_what_turns_the_direction_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        clean(text)


@pytest.mark.parametrize("name", ["\u06dd\u0661", "鍵", "<img onerror=x>", "->", "\U0001f511", "a\u0338"])
def test_what_is_drawn_is_a_name(name: str) -> None:
    assert clean(name) == name


def test_a_name_is_measured_as_it_is_stored() -> None:
    assert clean("a" * 50 + "\u200b" * 50 + "  " + "a" * 49) == "a" * 50 + " " + "a" * 49
    with pytest.raises(ValueError, match="at most 100 characters; this has 101"):
        clean("a" * 101)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("a b", "a  b"),
        ("caf\u00e9", "cafe\u0301"),
        ("ab", "a\u200eb\u202e"),
        ("a b", "a\u2028b"),
        ("a b", " a\tb "),
        (PERSIAN.replace("\u200c", ""), PERSIAN),
        ("\u2764", "\u2764\ufe0f"),
    ],
)
def test_a_name_is_confirmed_by_what_is_seen(typed: str, name: str) -> None:
    assert is_same_name(typed, name)


@pytest.mark.parametrize(("typed", "name"), [("A", "a"), ("ab", "a b"), ("", "a"), ("\u0430", "a")])
def test_another_name_confirms_nothing(typed: str, name: str) -> None:
    assert not is_same_name(typed, name)


@given(anything)
def test_the_normal_form_is_final(text: str) -> None:
    name = normal_name(text)
    assert normal_name(name) == name == unicodedata.normalize("NFC", name) == " ".join(name.split())
    assert is_same_name(name, text)


@given(anything)
def test_each_name_that_is_taken_is_in_its_normal_form(text: str) -> None:
    try:
        name = clean(text)
    except ValueError:
        return
    assert name == clean(name) == normal_name(text)
