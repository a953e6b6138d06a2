"""URLs of the pages about keys."""

from django.urls import include, path

from keys.pages.credential_urls import credential_urls
from keys.pages.key_pages import KEY_PAGES
from keys.pages.views import activity, docs, issuance, key_detail, overview, welcome

app_name = "keys"
keys = [
    *credential_urls(KEY_PAGES),
    path("new/", issuance.new_key, name="new"),
    path("<id:public_id>/", key_detail.overview, name="detail"),
    path("<id:public_id>/settings/", key_detail.key_settings, name="settings"),
    path("<id:public_id>/edit/", key_detail.edit, name="edit"),
    path("<id:public_id>/first-use/", welcome.first_use, name="first_use"),
]
urlpatterns = [
    path("app/", overview.overview, name="overview"),
    path("app/welcome/", welcome.welcome, name="welcome"),
    path("app/keys/", include(keys)),
    path("app/activity/", activity.show_activity, name="activity"),
    path("app/activity/activity.<str:kind>", activity.export_activity, name="activity_export"),
    path("docs/", docs.docs, name="docs"),
]
