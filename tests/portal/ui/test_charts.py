"""Charts: their axis, their words, and what they draw."""

import re

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from portal.ui.charts import Bar, bar_chart, chosen_range, meter, mini_bars, nice_ceiling, summary
from tests.support.page import the


@pytest.mark.parametrize(
    ("value", "top"),
    [
        (0, 2),
        (1, 2),
        (3, 4),
        (5, 6),
        (11, 12),
        (41, 50),
        (99, 100),
        (100, 100),
        (130, 150),
        (2_610, 3_000),
        (9_412, 10_000),
    ],
)
def test_an_axis_ends_at_a_round_number_that_halves(value: int, top: int) -> None:
    assert nice_ceiling(value) == top


def test_a_chart_says_in_words_what_it_shows() -> None:
    bars = [Bar("13:00", 90, 10), Bar("14:00", 300), Bar("15:00", None)]
    assert summary(bars) == "400 requests, peak 300 (14:00), 2.50% denied"
    assert summary([Bar("13:00", 0)]) == "No requests"


def test_a_chart_draws_gaps_as_gaps_and_repeats_its_numbers_as_a_table() -> None:
    tree = HTMLParser(bar_chart([Bar("Mon", 3, 1), Bar("Tue", None)], chart_id="week", caption="Requests"))
    assert len(tree.css(".bar-group")) == 1
    assert [cell.text() for cell in tree.css("tbody td")] == ["3", "1", "no data", "0"]
    assert the("svg[role=img]", tree).attributes["aria-label"] == "Requests: 4 requests, peak 4 (Mon), 25.00% denied"


def test_a_chart_without_requests_invents_no_axis() -> None:
    chart = bar_chart([Bar("Mon", 0), Bar("Tue", None)], chart_id="week", caption="Requests")
    assert HTMLParser(chart).text() == "No requests"
    assert "<svg" not in chart


def test_a_day_that_is_not_over_and_one_without_data_are_told_apart_from_the_others() -> None:
    bars = [Bar("Mon", None), Bar("Tue", 0), Bar("Today", 5, 1, is_partial=True)]
    tree = HTMLParser(bar_chart(bars, chart_id="week", caption="Requests"))
    assert [title.text() for title in tree.css("g > title")] == [
        "Mon: no data",
        "Tue: 0 allowed, 0 denied",
        "Today so far: 5 allowed, 1 denied",
    ]
    assert len(tree.css("g > .bar-gap")) == len(tree.css("g.bar-partial")) == 1
    assert [item.text() for item in tree.css(".chart__legend li")] == ["Allowed", "Denied", "Not over yet", "No data"]
    assert [row.text() for row in tree.css("tbody th")] == ["Mon", "Tue", "Today so far"]


@pytest.mark.parametrize(
    ("count", "labelled"),
    [(7, [0, 1, 2, 3, 4, 5, 6]), (30, [4, 9, 14, 19, 24, 29]), (90, [11, 24, 37, 50, 63, 76, 89])],
)
def test_labels_are_few_evenly_spread_and_counted_from_the_last_bar(count: int, labelled: list[int]) -> None:
    tree = HTMLParser(bar_chart([Bar(str(day), 1) for day in range(count)], chart_id="days", caption="Requests"))
    places = tree.css(".chart__labels span")
    assert [place.text() for place in places if place.text()] == [str(day) for day in labelled]
    on_a_phone = [place.text() for place in places if place.text() and "chart__minor" not in str(place.html)]
    assert on_a_phone == [str(day) for day in labelled[::-1][::2][::-1]]


@pytest.mark.parametrize(("text", "days"), [("7", 7), ("90", 90), ("8", 30), ("", 30), ("07", 30), ("-7", 30)])
def test_only_a_range_that_is_offered_is_shown(text: str, days: int) -> None:
    assert chosen_range(text, 30) == days


def test_bars_start_at_zero_and_keep_their_proportion() -> None:
    heights = [float(height) for height in re.findall(r"v-([\d.]+)", mini_bars([5, 10], label="15 calls"))]
    assert heights == [11, 22]


@pytest.mark.parametrize(("share", "width"), [(-1.0, "0"), (0.4, "40"), (7.0, "100")])
def test_a_meter_stays_in_its_frame(share: float, width: str) -> None:
    assert f'class="meter__fill" width="{width}"' in meter(share, label="used")
