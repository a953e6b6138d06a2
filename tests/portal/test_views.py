"""The shell's own pages."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.support import environment
from tests.support.page import the
from tests.support.refusing import read_only
from tests.support.staff import in_admin, make_staff, make_superuser

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def test_the_signed_in_go_from_the_landing_page_to_the_overview(ada_client: Client) -> None:
    assert ada_client.get("/")["Location"] == "/app/"


@pytest.mark.parametrize("theme", ["system", "light", "dark"])
def test_the_theme_is_kept_in_a_cookie_that_scripts_cannot_read(theme: str, client: Client) -> None:
    response = client.post("/theme/", {"theme": theme, "next": "/docs/"})
    assert (response.status_code, response["Location"]) == (302, "/docs/")
    cookie = response.cookies["theme"]
    assert cookie.value == theme
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize("data", [{}, {"theme": "pink"}, {"theme": ""}, {"theme": "dark\x00"}])
def test_no_other_theme_is_kept(data: dict[str, str], client: Client) -> None:
    response = client.post("/theme/", data)
    assert response.status_code == 400
    assert "theme" not in response.cookies


@pytest.mark.parametrize("path", ["/theme/", "/organization/"])
@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_choices_are_changed_by_post_alone(path: str, method: str, ada_client: Client) -> None:
    response = getattr(ada_client, method)(path)
    assert response.status_code == 405
    assert response["Allow"] == "POST"


@pytest.mark.parametrize(
    "evil", ["//evil.example", "/\\evil.example", "https:evil.example", "%2F%2Fevil.example", "/\r\nX: y"]
)
def test_a_choice_leads_nowhere_else(evil: str, ada_client: Client) -> None:
    assert ada_client.post("/theme/", {"theme": "dark", "next": evil})["Location"] == "/"
    assert ada_client.post("/theme/", {"theme": "dark", "next": evil}, headers=HTMX)["HX-Redirect"] == "/"


def test_htmx_loads_the_page_again_in_its_new_theme(client: Client) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/docs/"}, headers=HTMX)
    assert (response.status_code, response["HX-Redirect"]) == (200, "/docs/")


def test_the_organization_is_chosen_by_the_signed_in(client: Client) -> None:
    assert client.post("/organization/", {"organization": "org_1"})["Location"].startswith("/accounts/login/")


def test_who_is_signed_in_keeps_the_frame_around_an_error(ada_client: Client, client: Client) -> None:
    for browser, has_frame in ((ada_client, True), (client, False)):
        page = browser.get("/app/nothing/").text
        assert ("There is nothing here" in page, 'id="sidebar"' in page) == (True, has_frame)
        assert "<html" not in browser.get("/app/nothing/", headers={"HX-Request": "true"}).text


@pytest.mark.parametrize(
    ("referrer", "way_on"), [("/app/keys/?q=1", "/app/keys/"), ("", "/"), ("https://evil.example/x", "/")]
)
def test_a_form_that_is_out_of_date_leads_back_to_its_page(
    referrer: str, way_on: str, ada_client: Client, settings: Settings
) -> None:
    ada_client.handler.enforce_csrf_checks = True
    came_from = f"{settings.PUBLIC_URL}{referrer}" if referrer.startswith("/") else referrer
    answer = ada_client.post("/theme/", {"theme": "dark"}, headers={"Referer": came_from} if came_from else {})
    assert answer.status_code == 403
    assert the("#error .btn", answer.text).attributes["href"] == way_on
    assert the("#error .btn", answer.text).text() == ("Go home" if way_on == "/" else "Open the form again")


def test_admin_tells_members_the_role_and_staff_alone_who_can_give_a_permission(ada_client: Client) -> None:
    eve = make_superuser()
    for browser, words, names_people in (
        (ada_client, "You need the role staff to open admin.", False),
        (in_admin(make_staff()), "Your staff account has no permission for this page.", True),
    ):
        page = browser.get("/admin/portal/user/", follow=True)
        assert (page.status_code, words in page.text, eve.email in page.text) == (403, True, names_people)


def test_robots_stay_out_of_what_is_private(client: Client) -> None:
    response = client.get("/robots.txt")
    assert response["Content-Type"].startswith("text/plain")
    assert "Disallow: /app/" in response.content.decode()


def test_the_styleguide_is_for_developers_alone(client: Client, settings: Settings) -> None:
    assert settings.DEBUG is False
    assert client.get("/styleguide/").status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(environment.ON_SQLITE, reason="PostgreSQL's setting")
def test_where_the_database_takes_no_writes_pages_that_write_say_so(ada_client: Client) -> None:
    ada_client.raise_request_exception = False
    with read_only():
        response = ada_client.post("/accounts/logout/")
        assert (response.status_code, response["Retry-After"]) == (503, "2")
        assert "Our database can only be read. Nothing changed." in response.text
        assert ada_client.get("/app/keys/").status_code == 200
