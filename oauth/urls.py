"""URLs of the pages about OAuth clients."""

from django.urls import include, path

from keys.pages.credential_urls import credential_urls
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.pages.views import client_detail, creation, edit, revocation

app_name = "clients"
clients = [
    *credential_urls(CLIENT_PAGES),
    path("new/", creation.new_client, name="new"),
    path("<id:public_id>/", client_detail.overview, name="detail"),
    path("<id:public_id>/settings/", client_detail.client_settings, name="settings"),
    path("<id:public_id>/edit/", edit.edit, name="edit"),
    path("<id:public_id>/tokens/revocation/", revocation.revoke_tokens, name="tokens_revocation"),
    path("<id:public_id>/token/revocation/", revocation.revoke_one_token, name="token_revocation"),
]
urlpatterns = [path("app/clients/", include(clients))]
