"""Addresses of the pages about people and organizations."""

from django.urls import include, path

from keys import converters  # noqa: F401  # registering <id:…> is the effect
from keys.views.team import departures, members, organization

app_name = "team"
team = [
    path("", members.show_members, name="members"),
    path("<id:user_id>/role/", members.change_member_role, name="role"),
    path("<id:user_id>/removal/", departures.remove, name="removal"),
]
urlpatterns = [
    path("app/team/", include(team)),
    path("app/organizations/new/", organization.new_organization, name="new_organization"),
    path("app/settings/", organization.organization_settings, name="settings"),
    path("app/settings/closing/", organization.close, name="closing"),
]
