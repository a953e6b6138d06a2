"""What account pages say: our words, each thing once, and a field by one name."""

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from portal.audit_actions import AuditAction
from portal.models import User
from portal.tellings import TELLINGS
from tests.support.visitors import CODE, LOGIN, OTHER_PASSWORD, RESET, link_in, path_of, sign_in, sign_up

pytestmark = pytest.mark.django_db


def words_of(page: str) -> str:
    """What a person reads of it, spaces joined."""
    tree = LexborHTMLParser(page)
    tree.strip_tags(["script", "style", "head"])
    return " ".join(tree.text(separator=" ").split())


def test_a_refused_sign_in_speaks_as_our_pages_do(client: Client, eve: User) -> None:
    wrong = sign_in(client, "eve@example.com", "wrong battery staple of mine").text
    assert "The address or the password is wrong." in wrong
    assert "to fix" not in wrong
    for _ in range(5):
        page = sign_in(client, "eve@example.com", "wrong battery staple of mine").text
    assert "Too many tries. Try again in 5 min." in page
    assert "to fix" not in page


def test_where_the_code_went_is_said_once_and_a_new_one_is_told(client: Client) -> None:
    sign_up(client, "fay@example.com")
    assert words_of(client.get(CODE).text).count("fay@example.com") == 1
    cache.clear()  # a new code has to be waited for
    again = client.post(CODE, {"action": "resend"}, follow=True).text
    assert "A new code is on its way to fay@example.com." in words_of(again)
    assert len(mail.outbox) == 2


def test_that_the_password_was_reset_is_said_once(client: Client, eve: User) -> None:
    client.post(RESET, {"email": "eve@example.com"})
    form = client.get(path_of(link_in(mail.outbox[-1])), follow=True)
    done = client.post(
        form.request["PATH_INFO"], {"password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}, follow=True
    )
    assert words_of(done.text).lower().count("password is changed") == 1


def test_that_the_password_was_changed_is_said_and_forgetting_it_offered_once(client: Client, eve: User) -> None:
    sign_in(client, "eve@example.com")
    change = "/accounts/password/change/"
    assert client.get(change).text.count(RESET) == 1
    old = "correct horse battery staple"
    sent = {"oldpassword": old, "password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}
    assert "Your password is changed." in client.post(change, sent, follow=True).text


@pytest.mark.parametrize("path", [LOGIN, RESET, "/accounts/signup/"])
def test_an_error_is_said_at_its_field_in_a_sentence_that_names_it(path: str, client: Client) -> None:
    tree = LexborHTMLParser(client.post(path, {"nothing": "filled in"}).text)
    assert not tree.css(".summary")  # it would only repeat them
    fields = [field for field in tree.css("main .field") if field.css_first(".field__error")]
    assert fields
    for field in fields:
        label, error = (field.css_first(each) for each in (".field__label", ".field__error"))
        assert label
        assert error
        assert error.text(strip=True).lower() == f"enter the {label.text(strip=True).lower()}."


def test_whatever_people_do_with_their_accounts_is_told_in_words() -> None:
    assert [action for action in AuditAction if action.startswith("user.") and action not in TELLINGS] == []
