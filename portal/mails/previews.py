"""Previews of every mail with sample values, while developing (``DEBUG``). New templates appear by themselves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

TEMPLATES: Final = Path(settings.BASE_DIR) / "templates"
FOLDERS: Final = ("account/email", "mfa/email", "emails")
BASES: Final = {"emails/base", "account/email/base_notification"}
_ORGANIZATION = SimpleNamespace(name="Acme", public_id="org_sample")
_KEY = SimpleNamespace(
    name="checkout-prod", environment="live", organization=_ORGANIZATION, api=SimpleNamespace(name="Orders")
)


def names() -> list[str]:
    """Return the names of all mails, such as ``account/email/password_changed`` and ``emails/key_expired``."""
    found = [path for folder in FOLDERS for path in sorted((TEMPLATES / folder).glob("[!_]*.html"))]
    spelled = [str(path.relative_to(TEMPLATES)).removesuffix(".html").removesuffix("_message") for path in found]
    return [name for name in spelled if name not in BASES]


def rendered(name: str) -> tuple[str, str, str]:
    """Return the mail's subject, text and HTML."""
    context = sample()
    if name.startswith("emails/"):
        context |= {"button_url": f"{settings.PUBLIC_URL}/app/keys/", "button_label": "Look at it"}
        return f"({name})", render_to_string(f"{name}.txt", context), render_to_string(f"{name}.html", context)
    subject = " ".join(render_to_string(f"{name}_subject.txt", context).split())
    return subject, render_to_string(f"{name}_message.txt", context), render_to_string(f"{name}_message.html", context)


def sample() -> dict[str, Any]:
    """Return sample values for the variables of all mails."""
    url = settings.PUBLIC_URL
    return {
        "public_url": url,
        "activate_url": f"{url}/accounts/confirm-email/",
        "password_reset_url": f"{url}/accounts/password/reset/key/1-sample/",
        "signup_url": f"{url}/accounts/signup/",
        "subject": "Your role in Acme is now admin",
        "lines": ["ada@example.com gave you the role admin in Acme.", "It holds from now on."],
        "code": "424242",
        "email": "ines@example.com",
        "from_email": "ines@example.com",
        "to_email": "ines.ortega@example.com",
        "deleted_email": "ines@example.com",
        "browser": "Firefox on Linux",
        "left": 9,
        "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "happened": "Sun 22 Nov 2026, 14:05 UTC",
        "key": _KEY,
        "secret": SimpleNamespace(hint="lk_live_7Qd3…x9Kf"),
        "expires": "Sun 29 Nov 2026, 14:05 UTC",
        "ended": "Sun 22 Nov 2026, 14:05 UTC",
        "last_used": "Sun 22 Nov 2026, 14:03 UTC",
        "secret_last_used": "Sun 22 Nov 2026, 14:03 UTC",
    }


def mails(request: HttpRequest) -> HttpResponse:
    """List all mails with their subjects and texts."""
    shown = [(name, *rendered(name)[:2]) for name in names()]
    return render(request, "portal/mails.html", {"mails": shown})


def mail(_request: HttpRequest, name: str) -> HttpResponse:
    """Show one mail as HTML."""
    if name not in names():
        raise Http404
    return HttpResponse(rendered(name)[2])


styled_mail = csp_update({"style-src": [UNSAFE_INLINE]})(mail)  # type: ignore[arg-type]  # mail programs read no other styles
