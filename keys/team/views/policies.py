"""Edit the organization's policies in three steps: the form, a review of the effects, the change."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.pages.views.access import go_to
from keys.team.forms import PoliciesForm
from keys.team.policy_effects import breaking_keys, by_rules, without_live_keys, without_second_factor
from portal import activity, reauthentication
from portal.http import MemberRequest, actor_of, member_required
from portal.models import Organization
from portal.permissions import Action
from portal.policies import Policies
from portal.services.policies import change_policies

KEYS_SHOWN = 1000


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_ORGANIZATION, widens="by form")
def edit_policies(request: MemberRequest) -> HttpResponse:
    """Serve the three steps at one URL; ``step`` says which one was submitted."""
    organization = request.organization
    form = PoliciesForm(request.POST or None, initial=_initial(organization.policies))
    step = request.POST.get("step", "review")
    if request.method == "POST" and form.is_valid() and step != "form":
        if step == "save":
            if organization.policies.relaxed_by(form.wanted()):
                reauthentication.require_recent(request)
            change_policies(organization, form.wanted(), by=actor_of(request))
            messages.success(request, "The policies are saved. They apply to new keys and changes to existing ones.")
            return go_to(request, reverse("team:policies"))
        return render(request, "team/policies_review.html", _review(request, form))
    context = {"form": form, "organization": organization, **_breaking(organization, organization.policies)}
    return render(request, "team/policies.html", context, status=422 if form.is_bound and form.errors else 200)


def _review(request: MemberRequest, form: PoliciesForm) -> dict[str, object]:
    organization, wanted = request.organization, form.wanted()
    return {
        "organization": organization,
        "differences": activity.changes(organization.policies.shown(), wanted.shown()),
        "sent": [(name, request.POST[name]) for name in form.fields if request.POST.get(name)],
        "without_factor": without_second_factor(organization).count() if wanted.second_factor_from else 0,
        "locks_out_now": wanted.asks_second_factor(timezone.now()),
        "without_live": without_live_keys(organization, wanted),
        **_breaking(organization, wanted),
    }


def _breaking(organization: Organization, policies: Policies) -> dict[str, object]:
    found = breaking_keys(organization, policies, now=timezone.now())
    return {
        "breaking": by_rules(found[:KEYS_SHOWN]),
        "breaking_count": len(found),
        "breaking_more": len(found[KEYS_SHOWN:]),
    }


def _initial(policies: Policies) -> dict[str, object]:
    day = policies.second_factor_from
    return policies.shown() | {"second_factor_from": day.date() if day else None}
