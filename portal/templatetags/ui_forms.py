"""Components of forms: a field with its label, hint and error; choices as cards; the error summary."""

from collections.abc import Mapping

from django import forms, template
from django.forms import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.ui.markup import attributes, svg_icon

REQUIRED = forms.Field.default_error_messages["required"]
SHORT = 2  # fields

register = template.Library()


@register.simple_tag
def field(bound: BoundField, *, hint: str = "", optional: bool = False, style: str = "", **attrs: object) -> SafeString:
    """{% field form.email hint="…" %}: the field, its label, hint and errors, linked by ``aria-describedby``.

    The label is the form's own, so that it matches the error summary.

    Styles: ``mono``, ``code``. Other arguments become attributes of the control (``placeholder=""`` removes one).
    """
    widget = bound.field.widget
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return choices(bound, hint=hint)
    hint = hint or str(bound.help_text)
    if isinstance(widget, forms.CheckboxInput):
        return _check(bound, hint, attrs)
    control = bound.as_widget(attrs=_control_attributes(bound, hint, style, attrs))
    if bound.use_fieldset:
        return _fieldset(bound, str(bound.label), hint, control, optional=optional)
    return format_html(
        '<div class="field"><label class="field__label" for="{}">{}{}</label>{}{}{}</div>',
        bound.id_for_label, bound.label, _optional(optional=optional),
        _with_reveal(bound, control) if isinstance(widget, forms.PasswordInput) else control,
        _hint(bound, hint), _errors(bound),
    )  # fmt: skip


@register.simple_tag
def choices(
    bound: BoundField, *, label: str = "", hint: str = "", hints: Mapping[str, str] | None = None, style: str = "list"
) -> SafeString:
    """{% choices form.overlap hints=meanings style="cards" %}: radios or check boxes; ``hints`` explain each choice.

    Styles: ``list``, ``cards``, ``compact``, ``mono`` (a list of names as code).
    """
    hint = hint or str(bound.help_text)
    style_class = {"cards": "", "mono": "choices--list choices--mono"}.get(style, f"choices--{style}")
    cards = format_html_join("", "{}", ((_choice(option.data, hints or {}, bound),) for option in bound.subwidgets))
    return _fieldset(
        bound, label or str(bound.label), hint, format_html('<div class="choices {}">{}</div>', style_class, cards)
    )


@register.simple_tag
def error_summary(form: forms.BaseForm) -> SafeString:
    """{% error_summary form %}: all errors in field order, each a link to its field; it takes the focus.

    Empty if the form has no errors, or if it is so short that the errors at its fields are seen at once.
    """
    if not form.errors or _is_seen_at_once(form):
        return SafeString("")
    general: list[tuple[object]] = [(error,) for error in form.non_field_errors()]
    links = [(_link(form[name], error),) for name in form.fields for error in error_texts(form[name])]
    if links:
        count = len(general) + len(links)
        shown = format_html(
            '<h2 class="summary__title">{}</h2><ul>{}</ul>',
            "There is one thing to fix" if count == 1 else f"There are {count} things to fix",
            format_html_join("", "<li>{}</li>", [*general, *links]),
        )
    else:
        shown = format_html_join("", '<p class="summary__title">{}</p>', general)
    return format_html('<div class="summary" role="alert" tabindex="-1" data-focus>{}</div>', shown)


@register.simple_tag
def field_errors(bound: BoundField) -> SafeString:
    """{% field_errors form.api %}: the errors of a field that a template draws by itself."""
    return _errors(bound)


@register.simple_tag
def hidden_fields(form: forms.BaseForm) -> SafeString:
    """{% hidden_fields form %}: the form's hidden inputs."""
    return format_html_join("", "{}", ((bound.as_hidden(),) for bound in form.hidden_fields()))


def _fieldset(bound: BoundField, label: str, hint: str, controls: SafeString, *, optional: bool = False) -> SafeString:
    return format_html(
        '<fieldset class="field"{}><legend class="field__label">{}{}</legend>{}{}{}</fieldset>',
        attributes(
            {
                "id": bound.auto_id, "aria_describedby": _described_by(bound, hint), "tabindex": "-1",
                "autofocus": _takes_focus(bound),
            }
        ),
        label, _optional(optional=optional), _hint(bound, hint), _errors(bound), controls,
    )  # fmt: skip


def _is_seen_at_once(form: forms.BaseForm) -> bool:
    visible = {bound.name for bound in form.visible_fields()}
    return len(visible) <= SHORT and form.errors.keys() <= visible


def _takes_focus(bound: BoundField) -> bool:
    """Tell whether the field is the first with an error, and no summary takes the focus."""
    return bound.name == next(iter(bound.form.errors), None) and _is_seen_at_once(bound.form)


@register.filter
def error_texts(bound: BoundField) -> list[str]:
    """Return the field's errors; that it is required is said in a sentence for the field."""
    return [
        required_words(bound) if error.message == REQUIRED else message
        for error in bound.errors.as_data()
        for message in error.messages
    ]


def required_words(bound: BoundField) -> str:
    """Return the sentence that asks for the field's value."""
    if isinstance(bound.field, forms.ChoiceField):
        return "Choose one of these."
    label = str(bound.label)
    starts_a_word = label[1:2].isupper()  # an abbreviation keeps its capital
    return f"Enter the {label if starts_a_word else label[:1].lower() + label[1:]}."


def _control_attributes(bound: BoundField, hint: str, style: str, attrs: dict[str, object]) -> dict[str, str | bool]:
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attrs.items()}
    if given.get("placeholder") == "":
        bound.field.widget.attrs.pop("placeholder", None)
    classes = ["input", f"input--{style}" if style else "", str(bound.field.widget.attrs.get("class", ""))]
    ours = {
        "class": " ".join(name for name in classes if name),
        "aria-describedby": _described_by(bound, hint),
        "aria-invalid": "true" if bound.errors else None,
    }
    if bound.form.errors:
        given["autofocus"] = _takes_focus(bound)
    return _present(ours | given)


def _present(attrs: dict[str, object]) -> dict[str, str | bool]:
    """Return the attributes that have a value, typed as Django's widgets expect."""
    given = {name: value for name, value in attrs.items() if value not in (None, False, "")}
    return {name: True if value is True else str(value) for name, value in given.items()}


def _described_by(bound: BoundField, hint: str) -> str | None:
    ids = [f"{bound.auto_id}-hint"] * bool(hint) + [f"{bound.auto_id}-error"] * bool(bound.errors)
    return " ".join(ids) or None


def _hint(bound: BoundField, hint: str) -> SafeString:
    return format_html('<p class="field__hint" id="{}-hint">{}</p>', bound.auto_id, hint) if hint else SafeString("")


def _errors(bound: BoundField) -> SafeString:
    if not bound.errors:
        return SafeString("")
    lines = format_html_join("", "<span>{}</span>", ((error,) for error in error_texts(bound)))
    return format_html(
        '<div class="field__error" id="{}-error">{}<span class="stack stack--tight">{}</span></div>',
        bound.auto_id, svg_icon("exclamation-circle", "micro"), lines,
    )  # fmt: skip


def _optional(*, optional: bool) -> SafeString:
    return format_html(' <span class="field__optional">{}</span>', "(optional)") if optional else SafeString("")


def _with_reveal(bound: BoundField, control: SafeString) -> SafeString:
    return format_html(
        '<div class="input-group">{}<span class="input-group__end js-only">'
        '<button type="button" class="btn btn--quiet btn--small" data-reveal="{}" aria-label="Show {}">'
        "Show</button></span></div>",
        control, bound.id_for_label, str(bound.label).lower(),
    )  # fmt: skip


def _check(bound: BoundField, hint: str, attrs: dict[str, object]) -> SafeString:
    given = {name.replace("_", "-"): value for name, value in attrs.items()}
    ours = {"aria-describedby": _described_by(bound, hint), "aria-invalid": "true" if bound.errors else None}
    control = bound.as_widget(attrs=_present(ours | given))
    return format_html(
        '<div class="field"><div class="check">{}<div><label class="strong" for="{}">{}</label>{}</div></div>{}</div>',
        control, bound.id_for_label, bound.label, _hint(bound, hint), _errors(bound),
    )  # fmt: skip


def _choice(option: dict[str, object], hints: Mapping[str, str], bound: BoundField) -> SafeString:
    option_attrs = option["attrs"] if isinstance(option["attrs"], dict) else {}
    value = str(option["value"])
    control = {
        "type": option["type"], "name": option["name"], "value": value, "id": option_attrs.get("id"),
        "checked": option["selected"], "required": option_attrs.get("required"),
        "disabled": option_attrs.get("disabled"),
        "aria_invalid": "true" if bound.errors else None,
    }  # fmt: skip
    meaning = hints.get(value, "")
    return format_html(
        '<label class="choice"><input{}><span class="choice__text">'
        '<span class="choice__label">{}</span>{}</span></label>',
        attributes(control),
        option["label"],
        format_html('<span class="choice__hint">{}</span>', meaning) if meaning else "",
    )


def _link(bound: BoundField, error: object) -> SafeString:
    return format_html('<a href="#{}">{}</a>', bound.id_for_label or bound.auto_id, f"{bound.label}: {error}")
