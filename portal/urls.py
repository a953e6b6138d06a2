"""All URLs of the pages; other apps are included by string."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from portal import views
from portal.mails import previews
from portal.ui import styleguide

urlpatterns = [
    path("", views.landing, name="landing"),
    path("robots.txt", views.robots, name="robots"),
    path(".well-known/change-password", views.change_password, name="change_password"),
    path("theme/", views.choose_theme, name="theme"),
    path("organization/", views.switch_organization, name="organization_switch"),
    path("accounts/", include("portal.accounts.urls")),
    path("admin/", admin.site.urls),
    path("", include("keys.urls")),
    path("", include("keys.team.urls")),
    path("", include("oauth.urls")),
]
if settings.DEBUG:
    urlpatterns += [
        path("styleguide/", styleguide.styleguide, name="styleguide"),
        path("_mails/", previews.mails, name="mails"),
        path("_mails/<path:name>/", previews.styled_mail, name="mail_preview"),
    ]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.permission_denied"
handler404 = "portal.views.not_found"
handler429 = "portal.views.too_many_requests"  # allauth's, by the same convention
handler500 = "portal.views.server_error"
