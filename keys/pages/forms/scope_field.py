"""The field for the scopes of an API, drawn as the scope picker."""

from typing import Any

from django import forms

from keys.models import Api
from keys.rules import scope_choice
from portal.ui.row_fields import SeveralInputs

SCOPES = "scopes"  # the name of the field, after a prefix if a form has several


class ScopesInput(SeveralInputs):
    """The scope picker. What stands before ``scopes`` in the field's name begins the names of its inputs."""

    template_name = "keys/_scope_picker.html"

    def __init__(self, scopes: list[scope_choice.ScopeInfo]) -> None:
        super().__init__()
        self._scopes = scopes

    def sent_names(self, name: str) -> list[str]:
        return scope_choice.picker(self._scopes, (), prefix=name.removesuffix(SCOPES)).fields

    def value_from_datadict(self, data: Any, files: object, name: str) -> list[str]:  # noqa: ARG002  # Django's own signature
        """Return the chosen scopes."""
        prefix = name.removesuffix(SCOPES)
        ticked = data.getlist(f"{prefix}scope")
        return scope_choice.chosen_scopes(self._scopes, data, ticked, prefix=prefix)

    def get_context(self, name: str, value: list[str] | None, attrs: dict[str, Any] | None) -> dict[str, Any]:
        picker = scope_choice.picker(self._scopes, value or (), prefix=name.removesuffix(SCOPES))
        return super().get_context(name, None, attrs) | {"picker": picker}


class ScopesField(forms.Field):
    """The chosen scopes of an API, by name."""

    def __init__(self, api: Api, **kwargs: Any) -> None:
        self.scopes = [
            scope_choice.ScopeInfo(scope.name, scope.description, scope.is_sensitive) for scope in api.scopes.all()
        ]
        super().__init__(**{"label": "Scopes", "required": False, "widget": ScopesInput(self.scopes), **kwargs})
