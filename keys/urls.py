"""URLs of the pages about keys."""

from django.urls import include, path

from keys.pages.views import (
    activity,
    docs,
    edit,
    issuance,
    key_detail,
    key_list,
    key_state,
    overview,
    revocation,
    roll,
    welcome,
)
from portal import converters  # noqa: F401  # registering <id:…> is the effect

app_name = "keys"
one_key = [
    path("", key_detail.overview, name="detail"),
    path("activity/", key_detail.key_activity, name="key_activity"),
    path("settings/", key_detail.key_settings, name="settings"),
    path("edit/", edit.edit, name="edit"),
    path("roll/", roll.roll, name="roll"),
    path("pause/", key_state.pause, name="pause"),
    path("resume/", key_state.resume, name="resume"),
    path("revocation/", revocation.revoke, name="revocation"),
    path("overlap/", key_detail.overlap, name="overlap"),
    path("first-use/", welcome.first_use, name="first_use"),
    path("secrets/<id:secret_id>/end/", key_state.end_secret, name="end_secret"),
    path("secrets/<id:secret_id>/extension/", key_state.extend_secret, name="extend_secret"),
]
urlpatterns = [
    path("app/", overview.overview, name="overview"),
    path("app/welcome/", welcome.welcome, name="welcome"),
    path("app/keys/", key_list.show_list, name="list"),
    path("app/keys/new/", issuance.new_key, name="new"),
    path("app/keys/<id:public_id>/", include(one_key)),
    path("app/activity/", activity.show_activity, name="activity"),
    path("app/activity/activity.<str:kind>", activity.export_activity, name="activity_export"),
    path("docs/", docs.docs, name="docs"),
]
