"""URLs of the pages about OAuth clients."""

from django.urls import include, path

from oauth.pages.views import client_detail, client_list, client_state, creation, edit, revocation, roll
from portal import converters  # noqa: F401  # registering <id:…> is the effect

app_name = "clients"
one_client = [
    path("", client_detail.overview, name="detail"),
    path("activity/", client_detail.client_activity, name="activity"),
    path("settings/", client_detail.client_settings, name="settings"),
    path("edit/", edit.edit, name="edit"),
    path("roll/", roll.roll, name="roll"),
    path("pause/", client_state.pause, name="pause"),
    path("resume/", client_state.resume, name="resume"),
    path("overlap/", client_detail.overlap, name="overlap"),
    path("revocation/", revocation.revoke, name="revocation"),
    path("tokens/revocation/", revocation.revoke_tokens, name="tokens_revocation"),
    path("token/revocation/", revocation.revoke_one_token, name="token_revocation"),
    path("secrets/<id:secret_id>/end/", client_state.end_secret, name="end_secret"),
    path("secrets/<id:secret_id>/extension/", client_state.extend_secret, name="extend_secret"),
]
urlpatterns = [
    path("app/clients/", client_list.show_list, name="list"),
    path("app/clients/new/", creation.new_client, name="new"),
    path("app/clients/<id:public_id>/", include(one_client)),
]
