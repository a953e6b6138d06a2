"""Parts of admin pages beside stock forms and lists: figures, charts, tables of rows, values in words."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from portal.models import Organization
from portal.policies import POLICY_FIELDS
from portal.ui.charts import Bar

if TYPE_CHECKING:
    from portal.staff.operated import OperatedAdmin

MAX_ROWS = 10
MAX_LISTED = 10  # names in one text
# Columns with texts that people choose: two lines of each are shown in a list.
LONG_COLUMNS = frozenset({"name", "organization", "api", "identifier", "email", "subject_label", "address"})
NO_VALUE = "\N{EN DASH}"
# Columns that a page shows only if another column is set.
SHOWN_WHEN_SET = {
    "owner": "owner_id",
    "service_account": "service_account_id",
    "suspension": "suspended_at",
    "closed_at": "closed_at",
    "disabled_at": "disabled_at",
    "revoked_at": "revoked_at",
    "revoke_reason": "revoked_at",
}
# Labels of fields whose names make no good ones. A verbose_name in a model would need a migration.
LABELS: Mapping[str, str] = {
    **{name: field.label for name, field in POLICY_FIELDS.items()},
    "public_id": "Id",
    "api": "API",
    "organization_id": "Organization",
    "actor_kind": "Kind of actor",
    "actor_id": "Actor id",
    "actor_label": "Actor",
    "subject_id": "Subject id",
    "subject_label": "Subject",
    "request_id": "Request",
    "external_id": "External id",
    "email": "E-mail address",
    "user": "Member",
    "kid": "Key id",
    "token_lifetime_s": "Token lifetime in seconds",
    "signs_from": "Signs from",
    "signs_until": "Signs until",
    "kept_until": "Published until",
    "is_staff": "Staff",
    "groups": "Staff groups",
    "is_superuser": "Superuser",
    "is_active": "Active",
    "is_personal": "Personal",
    "is_sensitive": "Sensitive",
    "date_joined": "Signed up",
    "last_login": "Last sign-in",
    "at": "Time",
    "created_at": "Created",
    "created_by": "Created by",
    "suspended_at": "Suspended",
    "closed_at": "Closed",
    "removed_at": "Removed",
    "sent_at": "Sent",
    "ended_at": "Ended",
    "disabled_at": "Disabled",
    "revoked_at": "Revoked",
    "revoke_reason": "Reason of the revocation",
    "not_before": "Works from",
    "expires_at": "Expires",
    "ends_at": "Ends",
    "last_used_at": "Last used",
    "last_used_from": "Last used from",
    "last_used_agent": "User agent of the last use",
}


@dataclass(frozen=True)
class Figure:
    """A number with its label; the hint is smaller, below it."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True)
class Summary:
    """Figures about rows, and a chart of the last days."""

    figures: Sequence[Figure] = ()
    bars: Sequence[Bar] = ()


@dataclass(frozen=True)
class Table:
    """The first rows of a list, each with the URL of its page and its cells. ``more_href`` leads to the rest."""

    title: str
    headings: Sequence[str]
    rows: Sequence[tuple[str, Mapping[str, object]]]
    more_href: str
    empty: str


def columns(model_admin: "OperatedAdmin[Any]", names: Iterable[str]) -> list[Any]:
    """Return the columns of a stock list, with our labels, and with long texts cut."""
    return [_column(model_admin, name) if name in LABELS or name in LONG_COLUMNS else name for name in names]


def _column(model_admin: "OperatedAdmin[Any]", name: str) -> Callable[[Model], object]:
    def value(row: Model) -> object:
        return _shortened(name, getattr(row, name))

    value.__name__ = name  # the class of its cells
    return admin.display(description=_label(model_admin, name), ordering=name)(value)


def _label(model_admin: "OperatedAdmin[Any]", name: str) -> str:
    return LABELS.get(name) or str(label_for_field(name, model_admin.opts.model, model_admin))


def short(text: object) -> SafeString:
    """Return the text as HTML that shows two lines of it, and all of it as its title."""
    return format_html('<span class="short" title="{0}">{0}</span>', text)


def listed(names: Sequence[str], noun: str) -> SafeString | str:
    """Return the names in one text; more than ten are folded, under their number and the noun."""
    if len(names) <= MAX_LISTED:
        return ", ".join(names)
    lines = format_html_join("", "<li>{}</li>", ((name,) for name in names))
    return format_html(
        '<details class="listed"><summary>{} {}</summary><ul>{}</ul></details>', f"{len(names):,}", noun, lines
    )


def _shortened(name: str, value: object) -> object:
    return short(value) if name in LONG_COLUMNS and value else value


def table_of(model_admin: "OperatedAdmin[Any]", rows: Iterable[Any], *, more_href: str, without: str = "") -> Table:
    """Return a table of at most ten rows; where there is one more row, ``more_href`` leads to the rest."""
    found = list(rows)
    names = [name for name in model_admin.row_columns if name != without]
    return Table(
        title=model_admin.heading,
        headings=[_label(model_admin, name) for name in names],
        rows=[
            (model_admin.page_of(row), {name: _cell(model_admin, row, name) for name in names})
            for row in found[:MAX_ROWS]
        ],
        more_href=more_href if len(found) > MAX_ROWS else "",
        empty=model_admin.empty,
    )


def search_table(model_admin: "OperatedAdmin[Any]", request: HttpRequest, text: str) -> Table:
    """Return the first rows that the search of the model's list finds."""
    opts = model_admin.opts
    matches, _ = model_admin.get_search_results(request, opts.model._default_manager.all(), text)  # noqa: SLF001  # Django documents it as public
    found = list(matches.order_by().values_list("pk", flat=True).distinct()[: MAX_ROWS + 1])
    rows = model_admin.get_queryset(request).filter(pk__in=found).order_by(*model_admin.ordering or ())
    return table_of(model_admin, rows, more_href=f"{model_admin.list_href}?{urlencode({SEARCH_VAR: text})}")


def owned_tables(
    admins: "Iterable[OperatedAdmin[Any]]", request: HttpRequest, organization: Organization
) -> list[Table]:
    """Return the latest objects of each kind that belong to the organization."""
    return [
        table_of(
            model_admin,
            model_admin.get_queryset(request).filter(organization=organization)[: MAX_ROWS + 1],
            more_href=f"{model_admin.list_href}?{urlencode({SEARCH_VAR: organization.public_id})}",
            without="organization",
        )
        for model_admin in admins
        if model_admin.is_owned
    ]


def _cell(model_admin: "OperatedAdmin[Any]", row: Model, name: str) -> object:
    field, _, value = lookup_field(name, row, model_admin)
    if field is None:
        return display_for_value(value, NO_VALUE)
    shown = display_for_field(value, field, NO_VALUE) if field.remote_field is None else getattr(row, name) or NO_VALUE
    return _shortened(name, shown)


class ShownInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs alone
    """Read-only rows of another model, shown to everybody who may view the parent object."""

    template = "admin/latchkey/shown.html"
    extra = 0
    can_delete = False
    empty = "None yet."
    max_rows = MAX_ROWS  # the rest is folded

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return True: the parent object's page has checked the permission."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_formset(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> Any:
        """Return the stock formset, with our labels."""
        return super().get_formset(request, obj, labels=LABELS, **kwargs)


def pretty(values: dict[str, object]) -> SafeString | str:
    """Return a JSON object as indented HTML."""
    return format_html("<pre>{}</pre>", json.dumps(values, indent=2, ensure_ascii=False)) if values else NO_VALUE
