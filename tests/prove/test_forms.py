"""Every field of every form, sent every evil value."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from keys.models import ApiKey
from oauth.models import Client as OAuthClient
from tests.support.staff import in_admin, make_superuser
from tests.test_forms import all_forms, send_evil

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600), pytest.mark.django_db]


@pytest.mark.usefixtures("api_secret")
def test_no_field_of_any_form_makes_it_fail(
    ada_client: Client, key: ApiKey, oauth_client: OAuthClient, settings: Settings, prove: Callable[[str], None]
) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    sent = 0
    for person in (ada_client, in_admin(make_superuser())):
        sent += send_evil(person, all_forms(person, key, oauth_client), share=1)
    prove(f"forms: {sent:,} sent with a field as no page would send it, no 5xx")
    assert sent > 500
