"""What the settings promise, whatever the environment."""

from django.conf import settings
from django.test import Client
from django.urls import reverse


def test_every_middleware_of_ours_stands_where_it_must() -> None:
    order = [name.rsplit(".", 1)[1] for name in settings.MIDDLEWARE]
    assert order[:4] == ["RequestIdMiddleware", "ForwardedMiddleware", "SecurityMiddleware", "MachineMiddleware"]
    assert order.index("NotBeforeMiddleware") < order.index("SessionMiddleware")
    assert order.index("AuthenticationMiddleware") < order.index("OrganizationMiddleware")


def test_the_content_security_policy_allows_our_own_files_and_nothing_else() -> None:
    allowed = {value for values in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].values() for value in values}
    assert allowed == {"'none'", "'self'", "data:"}
    assert settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["img-src"] == ["'self'", "data:"]


def test_a_second_factor_is_never_trusted_away() -> None:
    assert not getattr(settings, "MFA_TRUST_ENABLED", False)
    assert not getattr(settings, "MFA_TOTP_INSECURE_BYPASS_CODE", None)


def test_cookies_are_out_of_reach_for_scripts_and_other_sites() -> None:
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == settings.CSRF_COOKIE_SAMESITE == "Lax"
    assert settings.SESSION_COOKIE_DOMAIN is None  # __Host- cookies may name none


def test_messages_and_sessions_are_kept_on_our_side() -> None:
    assert settings.MESSAGE_STORAGE == "django.contrib.messages.storage.session.SessionStorage"
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"


def test_addresses_that_mails_name_exist() -> None:
    for name in ("account_signup", "account_login", "account_reset_password", "mfa_index"):
        assert reverse(name).startswith("/accounts/")


def test_no_address_redirects_for_a_missing_slash(client: Client) -> None:
    assert settings.APPEND_SLASH is False
    assert client.post("/theme").status_code == 404
