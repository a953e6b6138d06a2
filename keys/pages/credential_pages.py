"""The pages of a type of credential: what the views that all types share take from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from django.db.models import QuerySet
from django.urls import reverse

from keys.pages.listing import Listing
from keys.pages.presenters import CredentialView, Words
from keys.services.credential_type import Row
from portal.models import Organization


@dataclass(frozen=True)
class CredentialPages(Generic[Row]):
    """The pages of one type of credential.

    ``visible`` are the credentials that the members of an organization may see. ``view`` prepares one of them, read
    with its working secrets, and ``views`` prepares the rows of a list. ``use_words`` describes the recent use of one.
    ``created`` shows a new secret, with what ``secret_context`` adds for the credential and the secret's text.
    """

    words: Words
    listing: Listing[Row]
    visible: Callable[[Organization], QuerySet[Row]]
    view: Callable[..., CredentialView[Row]]
    views: Callable[[Sequence[Row], Callable[[Row], bool], datetime], Sequence[CredentialView[Row]]]
    use_words: Callable[[Row, datetime], str]
    secret_context: Callable[[Row, str], Mapping[str, Any]]
    created: str
    edit_page: str
    search_hint: str
    list_page: str
    list_columns: str
    list_cells: str

    @property
    def href(self) -> str:
        """The URL of the list, without filters."""
        return reverse(f"{self.words.pages}:list")

    @property
    def no_match(self) -> str:
        """The message for a search without results."""
        return f"No {self.words.noun} matches"

    @property
    def more_id(self) -> str:
        """The id of the element that loads the next rows."""
        return f"{self.words.pages}-more"
