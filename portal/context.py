"""The template context that every page needs: the person, the organization, the navigation and the theme."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest
from django.urls import reverse

from portal import opened_invitation
from portal.audit import has_second_factor
from portal.models import Invitation, Membership, Organization, User
from portal.preferences import Density

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
    """The frame around a page. Each part is loaded only if a template uses it."""

    themes = THEMES
    embedded = settings.EMBEDDED
    public_url = settings.PUBLIC_URL

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def membership(self) -> Membership | None:
        """Return the person's membership in the current organization."""
        found: Membership | None = getattr(self._request, "membership", None)
        return found

    @cached_property
    def organization(self) -> Organization | None:
        """Return the current organization."""
        return self.membership.organization if self.membership else None

    @cached_property
    def other_organizations(self) -> Sequence[Organization]:
        """Return the other organizations that the person can switch to."""
        memberships: Sequence[Membership] = getattr(self._request, "memberships", ())
        return [each.organization for each in memberships if each != self.membership]

    @cached_property
    def invitation(self) -> Invitation | None:
        """Return the invitation that this browser opened and that is not answered yet."""
        return opened_invitation.waiting(self._request)

    @cached_property
    def second_factor_due(self) -> datetime | None:
        """Return when the organization starts to require a second factor; None if the person has one."""
        due = self.organization.second_factor_from if self.organization else None
        user = self._request.user
        return due if due and isinstance(user, User) and not has_second_factor(user) else None

    @cached_property
    def navigation(self) -> Sequence[NavigationLink]:
        """Return the sidebar's links; the one with the longest path that the request's path starts with is current."""
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
        """Return the chosen theme: ``system``, ``light`` or ``dark``."""
        chosen = self._request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else "system"

    @property
    def time_zone(self) -> str:
        """Return the name of the person's chosen time zone; empty if pages show that of the browser."""
        user = getattr(self._request, "user", None)
        return user.time_zone if isinstance(user, User) else ""

    @property
    def is_compact(self) -> bool:
        """Return True if the person wants the rows of lists close to each other."""
        user = getattr(self._request, "user", None)
        return isinstance(user, User) and user.density == Density.COMPACT

    @property
    def path(self) -> str:
        """Return the current path and query, to which a form in the frame returns."""
        return self._request.get_full_path()

    @property
    def section(self) -> str:
        """Return the path to open after switching organizations: the current section's list.

        The object shown now does not exist in the other organization.
        """
        return next((link.href for link in self.navigation if link.is_current), settings.LOGIN_REDIRECT_URL)

    @property
    def has_fonts(self) -> bool:
        """Return True if the web fonts were built; without them, pages use system fonts."""
        return fonts_are_built()


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Add ``shell`` to the context of every template."""
    return {"shell": Shell(request)}


@lru_cache(maxsize=1)
def fonts_are_built() -> bool:
    """Return True if ``manage.py fonts`` has run, here or before static files were collected."""
    return finders.find(FONT_SHEET) is not None or staticfiles_storage.exists(FONT_SHEET)
