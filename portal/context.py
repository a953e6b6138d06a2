"""What every page needs to know beside its own subject: who, where, how it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest
from django.urls import reverse

from portal.audit import has_second_factor
from portal.models import Invitation, Membership, Organization, User
from portal.services import opened_invitation

THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"
FONT_SHEET = "fonts/fonts.css"


@dataclass(frozen=True)
class NavigationLink:
    """One link of the sidebar."""

    label: str
    href: str
    icon: str
    is_current: bool


class Shell:
    """The frame around a page; each part is looked up only where a template asks for it."""

    themes = THEMES
    embedded = settings.EMBEDDED
    public_url = settings.PUBLIC_URL

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def membership(self) -> Membership | None:
        """The person's membership in the organization they look at."""
        found: Membership | None = getattr(self._request, "membership", None)
        return found

    @cached_property
    def organization(self) -> Organization | None:
        """The organization looked at."""
        return self.membership.organization if self.membership else None

    @cached_property
    def other_organizations(self) -> Sequence[Organization]:
        """Those one could switch to."""
        user = self._request.user
        if not user.is_authenticated or self.organization is None:
            return []
        return list(user.organizations.filter(closed_at=None).exclude(pk=self.organization.pk).order_by("name", "pk"))

    @cached_property
    def invitation(self) -> Invitation | None:
        """The invitation that this browser has opened and nobody has answered."""
        return opened_invitation.waiting(self._request)

    @cached_property
    def second_factor_due(self) -> datetime | None:
        """From when on the organization lets nobody in without a second factor, for somebody who has none yet."""
        due = self.organization.second_factor_from if self.organization else None
        user = self._request.user
        return due if due and isinstance(user, User) and not has_second_factor(user) else None

    @cached_property
    def navigation(self) -> Sequence[NavigationLink]:
        """The sidebar's links; the longest one that this page lies under is current."""
        links = [
            ("Overview", reverse("keys:overview"), "squares-2x2"),
            ("API keys", reverse("keys:list"), "key"),
            ("OAuth clients", reverse("clients:list"), "cube"),
            ("Activity", reverse("keys:activity"), "clock"),
            ("Team", reverse("team:members"), "users"),
            ("Settings", reverse("team:settings"), "cog-6-tooth"),
            ("Docs", reverse("keys:docs"), "book-open"),
        ]
        under = [href for _, href, _ in links if self._request.path.startswith(href)]
        current = max(under, key=len, default="")
        return [NavigationLink(label, href, icon, href == current) for label, href, icon in links]

    @property
    def theme(self) -> str:
        """What the person chose: ``system``, ``light`` or ``dark``."""
        chosen = self._request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else "system"

    @property
    def path(self) -> str:
        """Where a form that belongs to no page returns to."""
        return self._request.get_full_path()

    @property
    def section(self) -> str:
        """Where to go on in another organization: the list that this page is about, as its subject is not there."""
        return next((link.href for link in self.navigation if link.is_current), settings.LOGIN_REDIRECT_URL)

    @property
    def has_fonts(self) -> bool:
        """Whether the fonts were built; without them the system's are used."""
        return fonts_are_built()


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Context processor: ``shell`` in every template."""
    return {"shell": Shell(request)}


@lru_cache(maxsize=1)
def fonts_are_built() -> bool:
    """Whether ``manage.py fonts`` has run, here or before the static files were collected."""
    return finders.find(FONT_SHEET) is not None or staticfiles_storage.exists(FONT_SHEET)
