"""A page with every component in each of its states, while developing (``DEBUG``)."""

from datetime import timedelta

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.ui.charts import Bar
from portal.ui.highlighting import Snippet

SAMPLE_SECRET = "lk_test_" + "7Qd3mW2vR9sLb0XyTzN4aHcPq6JfUe1G" + "x9Kf00"  # well spelled only by chance: never issued
OVERLAPS = {
    "0": "Requests with the old secret are refused at once.",
    "86400": "The old secret works until tomorrow, 14:05 UTC.",
    "604800": "The old secret works until Sat 28 Nov, 14:05 UTC.",
}
TONES = ("ok", "warn", "bad", "info", "mute", "accent")


class SampleForm(forms.Form):
    """One field of each kind."""

    name = forms.CharField(
        help_text="What will use it, such as billing worker.", widget=forms.TextInput({"autocomplete": "off"})
    )
    environment = forms.ChoiceField(choices=[("live", "Live"), ("test", "Test")])
    networks = forms.CharField(widget=forms.Textarea({"rows": 3}), required=False, help_text="One network a line.")
    password = forms.CharField(
        widget=forms.PasswordInput({"autocomplete": "new-password"}), help_text="15 characters or more."
    )
    overlap = forms.ChoiceField(
        widget=forms.RadioSelect, choices=[("0", "Now"), ("86400", "In 24 hours"), ("604800", "In 7 days")]
    )
    expiry = forms.ChoiceField(
        widget=forms.RadioSelect, choices=[("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "A year")]
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, choices=[("orders:read", "orders:read"), ("orders:write", "orders:write")]
    )
    agree = forms.BooleanField(label="Tell me when it expires", help_text="By e-mail, 7 days and 1 day before.")


def styleguide(request: HttpRequest) -> HttpResponse:
    """Show all components."""
    now = timezone.now()
    initial = {"overlap": "86400", "expiry": "90", "name": "billing worker", "scopes": ["orders:read"]}
    context = {
        "tones": TONES,
        "form": SampleForm(initial=initial, prefix="good"),
        "wrong": SampleForm({"wrong-name": "", "wrong-expiry": "9"}, prefix="wrong"),
        "overlaps": OVERLAPS,
        "scope_names": ["orders:read", "orders:write", "refunds:write", "reports:read"],
        "secret": SAMPLE_SECRET,
        "snippets": snippets(SAMPLE_SECRET),
        "json": '{"valid": true, "code": "VALID", "scopes": ["orders:read"], "quota": null, "remaining": 99}',
        "now": now,
        "soon": now + timedelta(days=5, minutes=5),
        "past": now - timedelta(hours=6),
        "far": now + timedelta(days=90),
        "bars": [Bar(f"{day} Nov", 900 + day * 137 % 700, day * 31 % 90) for day in range(14, 21)]
        + [Bar("21 Nov", None)],
        "days": [3, 8, 0, 12, 9, 15, 7],
    }
    return render(request, "portal/styleguide.html", context)


def snippets(secret: str) -> list[Snippet]:
    """Return the same call in four languages."""
    url = "https://api.example.com/orders"
    python = f'import httpx\n\nhttpx.get(\n    "{url}",\n    headers={{"Authorization": "Bearer {secret}"}},\n)'
    node = f'await fetch("{url}", {{\n  headers: {{ Authorization: "Bearer {secret}" }},\n}});'
    return [
        Snippet(".env", "bash", f"LATCHKEY_API_KEY={secret}"),
        Snippet("curl", "bash", f'curl {url} \\\n  -H "Authorization: Bearer {secret}"'),
        Snippet("Python", "python", python),
        Snippet("Node", "javascript", node),
    ]
