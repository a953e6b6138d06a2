"""The answers that every page shares."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from portal.audit import ActorKind
from portal.http import is_local_path
from portal.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.routes")]
HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize("url", ["/", "/app/", "/app/keys/?q=a&sort=name", "/app/#tab"])
def test_paths_of_ours_are_followed(url: str) -> None:
    assert is_local_path(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https:///evil.example",
        "https://evil.example",
        "http://testserver/app/",
        "/app/\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "%2F%2Fevil.example",
        "app/",
        " //evil.example",
        "/\t/evil.example",
        "\x00/app/",
        "data:text/html,x",
    ],
)
def test_nothing_that_a_browser_could_read_as_another_place_is_followed(url: str) -> None:
    assert not is_local_path(url)


def test_members_are_let_in_by_their_role(ada_client: Client, ben_client: Client, cyn_client: Client) -> None:
    assert ada_client.get("/manageable/").status_code == 200
    assert ben_client.get("/manageable/").status_code == 200
    assert cyn_client.get("/manageable/").status_code == 403
    assert cyn_client.get("/viewable/").content == b"Acme viewer"


def test_a_refusal_names_the_role_it_takes_and_who_can_give_it(cyn_client: Client, ada: User, ben: User) -> None:
    page = cyn_client.get("/manageable/").content.decode()
    assert "owner, admin or developer" in page
    assert ada.display_name in page
    assert ben.display_name not in page


def test_who_belongs_nowhere_is_told_so(client: Client) -> None:
    client.force_login(User.objects.create_user("eve@example.com"))
    response = client.get("/viewable/")
    assert response.status_code == 403
    assert "no organization" in response.content.decode()


def test_strangers_are_sent_to_sign_in_and_back(client: Client) -> None:
    response = client.get("/viewable/?q=a&b=c")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=%2Fviewable%2F%3Fq%3Da%26b%3Dc"


def test_a_change_that_a_stranger_asked_for_is_not_where_they_come_back_to(client: Client) -> None:
    assert client.post("/viewable/")["Location"] == "/accounts/login/?next=%2Fapp%2F"


def test_htmx_is_told_to_leave_the_page_when_the_session_is_over(client: Client) -> None:
    headers = {**HTMX, "HX-Current-URL": "http://testserver/app/keys/?q=a"}
    response = client.get("/viewable/", headers=headers)
    assert response.status_code == 401
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fapp%2Fkeys%2F%3Fq%3Da"


def test_htmx_on_a_page_whose_address_is_none_is_sent_to_the_start(client: Client) -> None:
    answer = client.get("/viewable/", headers={**HTMX, "HX-Current-URL": "http://["})
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/accounts/login/?next=%2Fapp%2F")


def test_htmx_on_a_foreign_page_is_not_sent_back_there(client: Client) -> None:
    headers = {**HTMX, "HX-Current-URL": "https://evil.example/app/"}
    assert client.get("/viewable/", headers=headers)["HX-Redirect"] == "/accounts/login/?next=%2Fapp%2F"


@pytest.mark.parametrize(
    ("headers", "whole"),
    [
        ({}, True),
        (HTMX, False),
        ({**HTMX, "HX-Boosted": "true"}, True),
        ({**HTMX, "HX-History-Restore-Request": "true"}, True),
    ],
)
def test_htmx_gets_the_fragment_and_everyone_else_the_page(
    headers: dict[str, str], whole: bool, client: Client
) -> None:
    response = client.get("/swappable/", headers=headers)
    assert ("<html" in response.content.decode()) is whole
    assert "HX-Request" in response["Vary"]
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("path", "status"), [("/absent/", 404), ("/failing/", 500), ("/refused/", 403), ("/busy/", 503)]
)
def test_errors_are_pages_and_fragments_for_htmx(path: str, status: int, ada_client: Client) -> None:
    ada_client.raise_request_exception = False
    page = ada_client.get(path, headers={"X-Request-Id": "reference-1"})
    assert page.status_code == status
    assert "<html" in page.content.decode()
    assert "reference-1" in page.content.decode()
    fragment = ada_client.get(path, headers=HTMX)
    assert fragment.status_code == status
    if status != 500:
        assert "<html" not in fragment.content.decode()


def test_a_database_that_does_not_answer_is_a_503_that_asks_to_come_back(client: Client) -> None:
    client.raise_request_exception = False
    page = client.get("/unreachable/")
    assert (page.status_code, page["Retry-After"]) == (503, "2")
    assert "Nothing changed" not in page.text
    problem = client.get("/v1/unreachable")
    assert (problem.status_code, problem.json()["code"]) == (503, "unavailable")


def test_a_session_that_cannot_be_read_is_a_503_and_nobody_is_let_in(ada_client: Client) -> None:
    def fail(*_: object) -> None:
        raise OperationalError

    ada_client.raise_request_exception = False
    with connection.execute_wrapper(fail):
        assert ada_client.get("/app/").status_code == 503


def test_an_error_page_gives_nothing_of_the_error_away(client: Client) -> None:
    client.raise_request_exception = False
    page = client.get("/failing/").content.decode()
    assert "a bug" not in page
    assert "Traceback" not in page


def test_a_form_without_its_token_changes_nothing_and_says_why(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    response = strict.post("/only-post/", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert "out of date" in response.content.decode()
    fragment = strict.post("/theme/", {"theme": "dark"}, headers=HTMX)
    assert (fragment.status_code, "<html" in fragment.content.decode()) == (403, False)


def test_an_action_of_a_person_says_who_from_where_and_in_which_request(ada_client: Client, ada: User) -> None:
    headers = {"X-Request-Id": "mine"}
    actor = ada_client.get("/seen/", headers=headers, REMOTE_ADDR="203.0.113.7").json()["actor"]
    assert actor == [ActorKind.USER, ada.email, "203.0.113.7", "mine"]
