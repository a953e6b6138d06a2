"""The removal of scopes from an API, which staff confirm: credentials lose them at once."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import F
from django.db.models.fields.json import HasAnyKeys

from keys.models import Api
from keys.pages.listing import count, count_words
from keys.services.credential_type import credential_types

MAX_NAMED = 10


class _HasAny(HasAnyKeys):
    """Condition that a JSON list contains one of the texts."""

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        """The same condition in SQLite's dialect, where Django's looks into JSON objects alone."""
        column, params = self.process_lhs(compiler, connection)
        texts = "SELECT value FROM json_each(%s)"
        return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value IN ({texts}))", [*params, json.dumps(self.rhs)]  # noqa: S608  # no text of a person's


class _ValueTick(forms.CheckboxInput):
    """A box that counts as ticked only if the form was sent with its present value."""

    def value_from_datadict(self, data: Any, files: object, name: str) -> bool:  # Django's own signature
        return bool(data.get(name) == self.attrs["value"])


class ScopeRemovalField(forms.BooleanField):
    """A box to tick before these scopes are removed. A tick for other scopes does not count."""

    def __init__(self, api: Api, removed: Sequence[str]) -> None:
        super().__init__(
            label="Remove these scopes",
            widget=_ValueTick({"value": " ".join(removed)}),
            help_text=_consequence(api, removed),
            error_messages={"required": "Tick the box to remove these scopes, or name them again above."},
        )


def named(scopes: Sequence[str]) -> str:
    """Return the names in one text, at most ten of them."""
    more = len(scopes) - MAX_NAMED
    return ", ".join(scopes[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _consequence(api: Api, removed: Sequence[str]) -> str:
    is_one = len(removed) == 1
    holders = {each.noun: count(each.granted(api).filter(_HasAny(F("scopes"), removed))) for each in credential_types()}
    held = [f"{count_words(total)} {noun}{'' if total == 1 else 's'}" for noun, total in holders.items() if total]
    has = "has" if sum(holders.values()) == 1 else "have"
    had = f"{' and '.join(held) or 'no keys or clients'} {has} {'it' if is_one else 'at least one of them'}"
    refused = f"Calls that need {'it' if is_one else 'them'} are refused at once."
    return f"{named(removed)} {'is' if is_one else 'are'} removed: {had}. {refused}"
