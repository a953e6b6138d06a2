"""Every mail: its text and its HTML say the same, lead to us alone, and show no secret."""

import re
from html import unescape

import pytest
from django.conf import settings
from django.http import Http404
from django.test import RequestFactory
from selectolax.lexbor import LexborHTMLParser

from portal.mails import previews

MAX_BYTES = 102 * 1024  # what Gmail shows without cutting


def test_there_is_a_mail_for_each_event_of_an_account() -> None:
    said = set(previews.names())
    for event in (
        "account/email/email_confirmation", "account/email/account_already_exists", "account/email/unknown_account",
        "account/email/password_changed", "account/email/password_reset", "account/email/password_reset_key",
        "account/email/email_changed", "account/email/new_sign_in", "account/email/account_closed",
        "mfa/email/totp_activated", "mfa/email/totp_deactivated", "mfa/email/webauthn_added",
        "mfa/email/webauthn_removed", "mfa/email/recovery_code_used", "mfa/email/recovery_codes_generated",
    ):  # fmt: skip
        assert event in said


@pytest.mark.parametrize("name", previews.names())
def test_a_mail_says_one_thing_in_text_and_in_html_with_one_button_that_leads_to_us(name: str) -> None:
    subject, text, html = previews.rendered(name)
    page = LexborHTMLParser(html)
    assert subject.strip()
    assert "\n" not in subject
    assert len(html.encode()) < MAX_BYTES
    assert not re.search(r"{{|{%|\bNone\b", text + html)
    links = [link.attributes["href"] or "" for link in page.css("a[href]")]
    assert len([link for link in links if link != settings.PUBLIC_URL]) <= 1
    assert {re.match(r"https?://[^/]+", link)[0] for link in links} <= {settings.PUBLIC_URL}  # type: ignore[index]  # each has a host
    assert not page.css("img, script, form")
    for link in links:
        assert unescape(link) in text, "the text has every link"


def test_the_previews_show_each_mail_and_nothing_else(rf: RequestFactory) -> None:
    name = "account/email/password_changed"
    assert b"Your password was changed" in previews.mail(rf.get("/"), name).content
    with pytest.raises(Http404):
        previews.mail(rf.get("/"), "../settings")
