"""URLs of the pages about people and organizations."""

from django.urls import include, path

from keys.team.views import (
    account_closure,
    departures,
    invitations,
    joining,
    members,
    organization,
    policies,
    service_accounts,
)
from portal import converters  # noqa: F401  # registering <id:…> is the effect

app_name = "team"
team = [
    path("", members.show_members, name="members"),
    path("invitations/", invitations.show_invitations, name="invitations"),
    path("invitations/new/", invitations.invite, name="invite"),
    path("invitations/<id:invitation_id>/resending/", invitations.resend, name="invitation_resending"),
    path("invitations/<id:invitation_id>/revocation/", invitations.revoke, name="invitation_revocation"),
    path("service-accounts/", service_accounts.show_service_accounts, name="service_accounts"),
    path("service-accounts/new/", service_accounts.new_service_account, name="new_service_account"),
    path("service-accounts/<id:account_id>/removal/", service_accounts.remove, name="service_account_removal"),
    path("<id:user_id>/role/", members.change_member_role, name="role"),
    path("<id:user_id>/removal/", departures.remove, name="removal"),
]
urlpatterns = [
    path("app/team/", include(team)),
    path("invited/", joining.show, name="invited"),
    path("invited/acceptance/", joining.accept, name="invited_acceptance"),
    path("invited/declining/", joining.decline, name="invited_declining"),
    path("invited/switch/", joining.switch_account, name="invited_switch"),
    path("invited/<str:token>/", joining.open_link, name="invited_link"),
    path("app/organizations/new/", organization.new_organization, name="new_organization"),
    path("app/settings/", organization.organization_settings, name="settings"),
    path("app/settings/policies/", policies.edit_policies, name="policies"),
    path("app/settings/closing/", organization.close, name="closing"),
    path("accounts/closure/", account_closure.close, name="account_closure"),
]
