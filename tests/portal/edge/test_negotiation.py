"""Which representation a client has, and which it takes, as RFC 9110 reads its headers."""

import pytest

from portal.edge.negotiation import is_known, takes_gzip


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"'])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], False),
        (["*"], True),
        (['"abc"'], True),
        (['W/"abc"'], True),
        (['"x",W/"abc" , "y"'], True),
        (['"x"', '"abc"'], True),
        (['"x"'], False),
        (['"abcd"'], False),
        (['"xW/"abc"'], False),
        (["abc"], False),
    ],
)
def test_a_tag_is_known_where_it_is_named_whole_or_all_are(etag: str, lines: list[str], expected: bool) -> None:
    assert is_known(etag, lines) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZip, br"], True),
        (["x-gzip"], True),
        (["br", "gzip;q=0.5"], True),
        (["br, *"], True),
        (["gzip;q=0"], False),
        (["gzip ; Q=0.000"], False),
        (["gzip;q=0, *"], False),
        (["*;q=0"], False),
        (["br;q=1.0"], False),
        (["xgzip"], False),
        (["gzip;q=nan"], False),
        (["gzip;q=2"], False),
        (["gzip;q=0.001"], True),
    ],
)
def test_gzip_is_sent_to_whoever_names_it_with_any_weight_but_none(lines: list[str], expected: bool) -> None:
    assert takes_gzip(lines) is expected
