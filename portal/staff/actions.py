"""Actions of staff in admin: a page asks for confirmation, then a service makes the change.

A ``StaffAction`` makes each change, to one object at its own URL or to many selected in the list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django import forms

from portal.outbox import Propagation


class Declined(Exception):
    """The action is not possible for this object; the text is for staff, and nothing was changed."""


class Changed(Protocol):
    """A service's result whose change spreads to the caches."""

    @property
    def propagation(self) -> Propagation:
        """Return how far the change has spread."""


@dataclass(frozen=True)
class Reveal:
    """The result of an action that created a secret: a page that is shown once and never stored."""

    template: str
    context: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class StaffAction:
    """An action that staff can take; ``run`` is called with the object, ``by`` and the form's values."""

    name: str  # the last part of its URL
    label: str
    done: str
    consequence: str  # shown above the button
    permission: str  # Django's, such as "keys.change_apikey"
    run: Callable[..., Changed | Reveal | None]
    title: str = ""  # with {name} in place of the object; without it, the label and the name
    form: type[forms.Form] = forms.Form
    initial: Callable[[Any], dict[str, object]] = lambda _: {}  # initial form values for an object
    offered: Callable[[Any], bool] = lambda _: True  # whether an object's page offers it; the service decides
    reveals: bool = False  # shows a secret
    widens: bool = False  # widens somebody's access
    is_bulk: bool = True
    is_danger: bool = False
