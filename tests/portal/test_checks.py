"""Settings that contradict each other are found."""

from collections.abc import Callable

import pytest
from django.core.checks import CheckMessage
from pytest_django.fixtures import Settings

from portal.checks import CONSOLE, check_mail, check_public_url, check_requests_are_not_atomic

Check = Callable[[], list[CheckMessage]]


@pytest.fixture
def healthy(settings: Settings) -> Settings:
    """Production as it should be."""
    settings.EMBEDDED, settings.HTTPS = False, True
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://keys.example.com", ["keys.example.com"]
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return settings


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("check", [check_mail, check_public_url, check_requests_are_not_atomic])
def test_a_healthy_production_is_left_in_peace(check: Check) -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("check", "changed", "found"),
    [
        (check_requests_are_not_atomic, {"DATABASES": {"default": {"ATOMIC_REQUESTS": True}}}, "portal.E001"),
        (check_public_url, {"ALLOWED_HOSTS": ["www.example.com"]}, "portal.E002"),
        (check_public_url, {"ALLOWED_HOSTS": ["*"]}, "portal.W001"),
        (check_public_url, {"PUBLIC_URL": "http://localhost:8000", "HTTPS": False}, "portal.W002"),
        (check_mail, {"MAIL_BACKEND": CONSOLE}, "portal.W003"),
    ],
)
def test_each_contradiction_is_named(
    check: Check, changed: dict[str, object], found: str, healthy: Settings, recwarn: pytest.WarningsRecorder
) -> None:
    for name, value in changed.items():
        setattr(healthy, name, value)
    assert found in [message.id for message in check()]


@pytest.mark.parametrize("check", [check_mail, check_public_url])
def test_the_embedded_default_needs_neither_https_nor_a_mail_server(check: Check, healthy: Settings) -> None:
    healthy.EMBEDDED, healthy.HTTPS = True, False
    healthy.PUBLIC_URL, healthy.ALLOWED_HOSTS = "http://localhost:8000", ["localhost"]
    healthy.MAIL_BACKEND = CONSOLE
    assert check() == []


def test_an_ipv6_address_is_a_host_too(healthy: Settings) -> None:
    healthy.PUBLIC_URL, healthy.ALLOWED_HOSTS = "https://[2001:db8::1]:8443", ["[2001:db8::1]"]
    assert check_public_url() == []
