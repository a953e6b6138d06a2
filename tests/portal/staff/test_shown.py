"""Values in admin: long texts are cut, long lists are folded, and nothing is markup."""

from portal.staff.shown import listed, short


def test_a_text_is_shown_in_short_with_all_of_it_as_its_title() -> None:
    assert short('<b>"x"') == ('<span class="short" title="&lt;b&gt;&quot;x&quot;">&lt;b&gt;&quot;x&quot;</span>')


def test_ten_names_stand_in_a_text_and_more_are_folded_under_their_number() -> None:
    names = [f"orders:{number}" for number in range(11)]
    assert listed(names[:10], "scopes") == ", ".join(names[:10])
    folded = listed([*names[:10], "<b>"], "scopes")
    assert "<summary>11 scopes</summary>" in folded
    assert "<li>orders:9</li><li>&lt;b&gt;</li>" in folded
