"""Every address of the pages; other apps by string."""

from django.contrib import admin
from django.urls import include, path

from portal import views

urlpatterns = [
    path("", views.landing, name="landing"),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("admin/", admin.site.urls),
    path("", include("keys.urls")),
]
