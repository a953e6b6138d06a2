"""Ask for the name of what is about to end, so that nobody ends it by habit."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from portal.names import is_same_name

MAX_TYPED_CHARS = 400  # more than any name has: what is pasted may hold what is not stored


class TypedNameForm(forms.Form):
    """The name, as pages show it; ``expect`` says which."""

    name = forms.CharField(max_length=MAX_TYPED_CHARS, widget=forms.TextInput({"autocomplete": "off"}))

    def __init__(self, *args: Any, expected_name: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expect(expected_name)

    def expect(self, name: str) -> None:
        """Ask for this name."""
        self._expected = name
        self.fields["name"].label = f"Type the name {name} to confirm"

    def clean_name(self) -> str:
        """What was typed, where it looks like the name."""
        typed: str = self.cleaned_data["name"]
        if not is_same_name(typed, self._expected):
            raise ValidationError("The name is another one.")
        return typed
