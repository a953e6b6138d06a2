"""Models that staff read in stock lists and pages, and change only by ``StaffAction``.

Django's own change and delete views run in a transaction, which a service's durable transaction refuses; and their
changes would skip audit and caches.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.text import capfirst

from portal import reauthentication
from portal.audit import ActorKind
from portal.http import actor_of, shown_once
from portal.models import Organization
from portal.outbox import Propagation, batch_changes
from portal.staff import pasted
from portal.staff.actions import Declined, Reveal, StaffAction
from portal.staff.forms import PlainForm
from portal.staff.shown import LABELS, SHOWN_WHEN_SET, Summary, columns
from portal.ui.typed_names import TypedNameForm

if TYPE_CHECKING:
    from portal.staff.site import LatchkeyAdminSite

MAX_CHOSEN = 100  # each change is a transaction
CONFIRMED = "confirmed"
FILTER_COMPARISONS = frozenset({"", "exact", "id__exact", "isnull", "gte", "lt"})
MAX_YEAR_DIGITS = 4
_ROW_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
Object = TypeVar("Object", bound=Model)


class OperatedAdmin(admin.ModelAdmin, Generic[Object]):  # type: ignore[type-arg]  # generic in the stubs alone
    """A model that staff read in stock admin and change only by actions; forms add, edit and delete nothing."""

    admin_site: "LatchkeyAdminSite"
    staff_actions: ClassVar[Sequence[StaffAction]] = ()
    own_pages: ClassVar[Mapping[str, str]] = {}  # words for permissions of pages that are no actions
    declines: ClassVar[tuple[type[Exception], ...]] = (Declined,)
    row_columns: ClassVar[Sequence[str]] = ()  # of its rows in search results; without any, it is not searched
    is_owned: ClassVar[bool] = False  # whether each object belongs to an organization, whose page shows the latest
    title: ClassVar[str] = ""  # of its list, where the model's plural is not the word
    empty: ClassVar[str] = "Nothing is recorded yet."
    form = PlainForm
    change_form_template = "admin/latchkey/change_form.html"
    change_list_template = "admin/latchkey/change_list.html"
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    @property
    def permissions(self) -> set[str]:
        """Return the Django permissions that this model's pages require."""
        view = f"{self.opts.app_label}.view_{self.opts.model_name}"
        return {view, *self.own_pages, *(action.permission for action in self.staff_actions)}

    def facts(self, obj: Object) -> dict[str, object]:
        """Return the facts to show before an action, by heading."""
        return {}

    def summary(self, organization: Organization | None, *, now: datetime) -> Summary:
        """Return figures about the organization's objects, or about all objects."""
        return Summary()

    def find_by_secret(self, text: str) -> Object | None:
        """Return the object that the secret belongs to; None if the text is no secret of this kind."""
        return None

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False: stock forms add nothing."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Object | None = None) -> bool:
        """Return False: stock forms change nothing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Object | None = None) -> bool:
        """Return False: nothing is deleted in admin."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow only the filters' own lookups.

        By any other lookup, a column such as a digest could be guessed letter by letter.
        """
        name, _, comparison = lookup.partition("__")
        if name == self.date_hierarchy and comparison in {"year", "month", "day"}:
            return value.isdecimal() and len(value) <= MAX_YEAR_DIGITS
        offered = {str(getattr(item, "parameter_name", item)) for item in self.get_list_filter(request)}
        is_offered = name in offered and comparison in FILTER_COMPARISONS
        return is_offered and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Object], search_term: str
    ) -> tuple[QuerySet[Object], bool]:
        """Search for as much of the text as is searched for anywhere."""
        return super().get_search_results(request, queryset, pasted.searchable(search_term))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list. The search text is posted, because it may be a secret, and URLs are kept in histories."""
        if request.method == "POST" and SEARCH_VAR in request.POST:
            return pasted.search(request, self.admin_site.searched(request))
        if pasted.is_in_url(request):
            return redirect(request.path)
        if "index" in request.POST and not all(request.POST.get(name) for name in ("action", ACTION_CHECKBOX_NAME)):
            messages.warning(request, "Nothing was changed. Choose an action, and select at least one row.")
            return redirect(request.get_full_path())
        named: dict[str, Any] = {"title": self.heading, "empty": self.empty}
        return super().changelist_view(request, named | (extra_context or {}))

    def get_form(self, request: HttpRequest, obj: Object | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's
        """Return the stock form, with our labels."""
        return super().get_form(request, obj, change, labels=LABELS, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Object | None = None) -> list[Any]:
        """Return the fields without the times and reasons of what has not happened."""
        names = super().get_fields(request, obj)
        return [name for name in names if name not in SHOWN_WHEN_SET or getattr(obj, SHOWN_WHEN_SET[name], None)]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, with our labels."""
        return columns(self, map(str, super().get_list_display(request)))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the stock list, with our labels on its filters."""
        changelist = super().get_changelist_instance(request)
        for spec in changelist.filter_specs:
            label = LABELS.get(getattr(spec, "field_path", "")) or str(spec.title)
            spec.title = label if label.isupper() else label[0].lower() + label[1:]
        return changelist

    # --- Where actions are offered ---

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the bulk actions that this person is permitted to take."""
        return {
            action.name: (_ask_about_many(action), action.name, action.label)
            for action in self.staff_actions
            if action.is_bulk and request.user.has_perm(action.permission)
        }

    def get_action_choices(self, request: HttpRequest, default_choices: Any = (("", "Choose an action"),)) -> Any:
        """Return the stock choices, with a first one in words."""
        return super().get_action_choices(request, list(default_choices))

    def response_action(  # type: ignore[override]  # the stubs are of a later Django
        self, request: HttpRequest, queryset: QuerySet[Object]
    ) -> HttpResponse | None:
        """Run the action on the selected rows; raise BadRequest if a row's number is not a number."""
        if not all(_ROW_NUMBER.fullmatch(number) for number in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest
        return super().response_action(request, queryset)

    def get_urls(self) -> list[URLPattern]:
        """Add a URL below the object's own for each action."""
        return [
            *(
                path(
                    f"<path:object_id>/{action.name}/",
                    self.admin_site.admin_view(self._view_of(action)),
                    name=self._url_name(action),
                )
                for action in self.staff_actions
            ),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the object with links to its actions."""
        obj = self.get_object(request, unquote(object_id))
        shown = {} if obj is None else {"title": str(obj), "subtitle": None, "links": self.links(request, obj)}
        return super().change_view(request, object_id, form_url, shown | (extra_context or {}))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a stock form. Before it saves, staff confirm their identity: these forms give staff access."""
        saves = self.has_add_permission(request) or self.has_change_permission(request)
        if request.method == "POST" and saves:
            reauthentication.require_recent(request)
        shown = {"heading": self.heading, "show_save_and_continue": False, "show_save_and_add_another": False}
        return super().changeform_view(request, object_id, form_url, shown | (extra_context or {}))

    def get_inline_formsets(
        self, request: HttpRequest, formsets: Any, inline_instances: Any, obj: Object | None = None
    ) -> Any:
        """Return the stock formsets. Each has its ``tables``: the first rows, and the rest."""
        shown = super().get_inline_formsets(request, formsets, inline_instances, obj)
        for each in shown:
            rows, at = list(each), each.opts.max_rows
            each.tables = [part for part in (rows[:at], rows[at:]) if part]
        return shown

    def links(self, request: HttpRequest, obj: Object) -> list[dict[str, object]]:
        """Return the actions that this person can take on the object: ``label``, ``href``, ``is_danger``."""
        return [
            {"label": action.label, "href": self._url_of(action, obj), "is_danger": action.is_danger}
            for action in self.staff_actions
            if request.user.has_perm(action.permission) and action.offered(obj)
        ]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the audit events about the object, which tell more than Django's log of its own forms."""
        obj = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            raise Http404
        events = reverse("admin:portal_auditevent_changelist")
        return redirect(f"{events}?{urlencode({'q': getattr(obj, 'public_id', obj)})}")

    # --- Ask, then do ---

    def _view_of(self, action: StaffAction) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if not request.user.has_perm(action.permission):
                raise PermissionDenied
            obj = self.get_object(request, unquote(object_id))
            if obj is None:
                raise Http404
            return self.ask_or_do(request, action, [obj])

        return view

    def ask_or_do(self, request: HttpRequest, action: StaffAction, objects: Sequence[Object]) -> HttpResponse:
        """Show the confirmation page, or run the confirmed action and return its response."""
        is_confirmed = request.method == "POST" and CONFIRMED in request.POST
        if is_confirmed and (action.reveals or action.widens):
            reauthentication.require_recent(request)
        form = action.form(request.POST if is_confirmed else None, initial=action.initial(objects[0]), label_suffix="")
        if isinstance(form, TypedNameForm):
            form.expect(str(objects[0]))
        if is_confirmed and form.is_valid():
            return self._do(request, action, objects, form.cleaned_data)
        rows = [(obj, self.page_of(obj), self.facts(obj)) for obj in objects]
        context = {
            **self.admin_site.each_context(request),
            "title": action.title.format(name=self._named(objects)) or f"{action.label} {self._named(objects)}",
            "opts": self.opts,
            "heading": self.heading,
            "list_href": self.list_href,
            "original": objects[0] if len(objects) == 1 else None,
            "action": action,
            "form": form,
            "headings": list(rows[0][2]),
            "rows": rows,
            "checkbox": ACTION_CHECKBOX_NAME if ACTION_CHECKBOX_NAME in request.POST else "",
            "back": self._back(objects),
        }
        return TemplateResponse(request, "admin/latchkey/confirm.html", context, status=422 if is_confirmed else 200)

    def _do(
        self, request: HttpRequest, action: StaffAction, objects: Sequence[Object], chosen: dict[str, Any]
    ) -> HttpResponse:
        by = actor_of(request, ActorKind.STAFF)
        done: list[Object] = []
        refused: dict[str, list[str]] = defaultdict(list)
        is_spread = False
        revealed: Reveal | None = None
        with batch_changes() as group:
            for obj in objects:
                try:
                    outcome = action.run(obj, by=by, **chosen)
                except self.declines as exc:
                    refused[str(exc)].append(str(obj))
                    continue
                revealed = outcome if isinstance(outcome, Reveal) else None
                done.append(obj)
                is_spread = is_spread or outcome is not None
        if revealed is not None:
            return self._reveal(request, revealed, done[0], group.spread)
        for reason, names in refused.items():
            messages.error(request, f"Not done for {', '.join(names)}: {reason}")
        if done:
            spread = f" {group.spread.words('In effect')}" if is_spread else ""
            messages.success(request, f"{action.done} {self._named(done)}.{spread}")
        return redirect(self._back(objects))

    def _reveal(self, request: HttpRequest, reveal: Reveal, obj: Object, spread: Propagation) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "original": obj}
        context |= {"back": self.page_of(obj), "propagation": spread, **reveal.context}
        return shown_once(TemplateResponse(request, reveal.template, context))

    def _named(self, objects: Sequence[Object]) -> str:
        return str(objects[0]) if len(objects) == 1 else f"{len(objects)} {self.opts.verbose_name_plural}"

    def _back(self, objects: Sequence[Object]) -> str:
        return self.page_of(objects[0]) if len(objects) == 1 else self.list_href

    def page_of(self, obj: Object) -> str:
        """Return the URL of the object's page."""
        return reverse(f"admin:{self._url_base}_change", args=[obj.pk])

    @property
    def heading(self) -> str:
        """Return the heading of the list."""
        return self.title or str(capfirst(self.opts.verbose_name_plural))

    @property
    def list_href(self) -> str:
        """Return the URL of the list."""
        return reverse(f"admin:{self._url_base}_changelist")

    def _url_of(self, action: StaffAction, obj: Object) -> str:
        return reverse(f"admin:{self._url_name(action)}", args=[obj.pk])

    def _url_name(self, action: StaffAction) -> str:
        return f"{self._url_base}_{action.name}"

    @property
    def _url_base(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"


Ask = Callable[[OperatedAdmin[Any], HttpRequest, QuerySet[Any]], HttpResponse | None]


def _ask_about_many(action: StaffAction) -> Ask:
    def ask(model_admin: OperatedAdmin[Any], request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        objects = list(chosen[: MAX_CHOSEN + 1])
        if len(objects) > MAX_CHOSEN:
            messages.error(request, f"Select at most {MAX_CHOSEN} at a time.")
            return None
        return model_admin.ask_or_do(request, action, objects) if objects else None

    return ask
