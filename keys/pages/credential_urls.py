"""The addresses of the pages that all types of credential share."""

from django.urls import URLPattern, path

from keys.pages.credential_pages import CredentialPages
from keys.pages.views import credential_detail, listing, revocation, roll, state
from keys.services.credential_type import Row
from portal import converters  # noqa: F401  # registering <id:…> is the effect


def credential_urls(pages: CredentialPages[Row]) -> list[URLPattern]:
    """Return the addresses of one type's pages, below the address of its list."""
    of_type = {"pages": pages}
    one = "<id:public_id>/"
    return [
        path("", listing.show_list, of_type, name="list"),
        path(f"{one}activity/", credential_detail.credential_activity, of_type, name="credential_activity"),
        path(f"{one}overlap/", credential_detail.overlap, of_type, name="overlap"),
        path(f"{one}roll/", roll.roll, of_type, name="roll"),
        path(f"{one}pause/", state.pause, of_type, name="pause"),
        path(f"{one}resume/", state.resume, of_type, name="resume"),
        path(f"{one}revocation/", revocation.revoke, of_type, name="revocation"),
        path(f"{one}secrets/<id:secret_id>/end/", state.end_secret, of_type, name="end_secret"),
        path(f"{one}secrets/<id:secret_id>/extension/", state.extend_secret, of_type, name="extend_secret"),
    ]
