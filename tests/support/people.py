"""Make people with a password and a verified address in a live portal, without the sign-up pages."""

from tests.support import live
from tests.support.live import Live

_MAKE = """
import os
from allauth.account.models import EmailAddress
from portal.audit import COMMAND
from portal.models import User
from portal.services.organizations import create_personal_organization
user = User.objects.create_user(os.environ["PERSON"], os.environ["PERSON_PASSWORD"])
EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
create_personal_organization(user, by=COMMAND)
"""


def make_person(portal: Live, address: str, password: str) -> None:
    """Make a person with an account and a personal organization."""
    live.manage({**portal.environ, "PERSON": address, "PERSON_PASSWORD": password}, "shell", "-c", _MAKE)
