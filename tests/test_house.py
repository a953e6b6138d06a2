"""House rules that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.env import BASE_DIR
from tests.support.apps import APPS

MAX_LINES = 350
WRITES = {"save", "delete", "update", "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update"}
# The writes outside services, each with its reason; no verdict and nobody's rights rest on what they write.
WRITES_OUTSIDE_SERVICES = {
    "oauth/management/commands/demo.py EmailAddress.update": "the demo's people need verify no address",
    "keys/pages/exports.py cache.delete": "a person's export is over",
    "keys/expiry_mails.py Notice.update": "a notice is claimed before it is mailed",
    "keys/sweeps.py Notice.bulk_create": "whom to warn",
    "keys/sweeps.py rows.delete": "counts, callers' addresses, sessions and sent forms, once they are old",
    "portal/accounts/forms.py super.save": "allauth's form, which mails a link and writes nothing",
    "portal/staff/people.py form.save": "allauth's form, which mails a link and writes nothing",
    "portal/audit.py AuditEvent.create": "the one place that appends",
    "portal/ui/fonts.py font.save": "a font, into a file",
    "portal/models/people.py user.save": "the manager that createsuperuser calls",
    "portal/mails/queue.py QueuedMail.create": "a mail that waits",
    "portal/mails/queue.py QueuedMail.update": "a mail is claimed before it is sent, and put off if it was not taken",
    "portal/mails/queue.py QueuedMail.delete": "a mail that is sent or given up",
    "portal/outbox.py OutboxEntry.create": "the outbox itself",
    "portal/accounts/sessions.py Session.delete": "the session that is left or renewed",
    "portal/accounts/sessions.py Session.update": "when a session was last seen",
    "portal/operations/sweep_runs.py SweepRun.update_or_create": "when a sweep last went through",
    "portal/outbox.py OutboxEntry.delete": "everyone has heard of the change that wrote the row",
    "portal/operations/retention.py AuditEvent.delete": "prunes, and records that it did",
    "portal/operations/retention.py chain.delete": "prunes, and records that it did",
    "portal/operations/retention.py AuditSeal.create": "the seal that the rest of a pruned chain is checked from",
    "portal/audit_seals.py AuditSeal.bulk_create": "the one place that seals",
    "portal/audit_seals.py UnsealedEvent.delete": "the events have their seals",
}
CSRF_EXEMPT: set[str] = set()
# What OAuth's endpoints are held to, by number: token, introspection, revocation, key set and metadata.
STATEMENTS = {
    "TK1", "TK2", "TK3", "TK4", "TK5", "TK6", "TK7", "TK8",
    "TK9", "TK10", "TK11", "TK12", "TK13", "TK14", "TK15", "TK16",
    "IN1", "IN2", "IN3", "IN4",
    "RV1", "RV2", "RV3", "RV4", "RV5", "RV6", "RV7",
    "JK1", "JK2", "JK3", "JK4", "JK5",
    "MD1", "MD2", "MD3", "MD4", "MD5",
}  # fmt: skip
DOCUMENTS = [BASE_DIR / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS += sorted((BASE_DIR / "docs").glob("*.md"))


def _sources(*, under: tuple[str, ...] = APPS) -> list[Path]:
    found = [path for folder in under for path in sorted((BASE_DIR / folder).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


def _named(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


def _templates() -> list[Path]:
    return [path for path in sorted((BASE_DIR / "templates").rglob("*")) if path.is_file()]


def _html(path: Path) -> str:
    """The template without its tags and comments."""
    return re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "", path.read_text(), flags=re.DOTALL)


def _root(node: ast.expr) -> str:
    """``Usage`` of ``Usage.objects.filter(…)``; ``key`` of ``key.save``."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=value) | ast.Call(func=value) | ast.Subscript(value=value):
                node = value
            case _:
                return "?"
    return node.id


def _writes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in WRITES:
            continue
        if "objects" in ast.unparse(node.func) or node.func.attr in {"save", "delete"}:
            yield f"{_named(path)} {_root(node.func)}.{node.func.attr}"


def test_rows_are_written_by_services_alone() -> None:
    outside = [path for path in _sources(under=APPS) if "services" not in path.parts]
    assert {write for path in outside for write in _writes(path)} == set(WRITES_OUTSIDE_SERVICES)


def test_no_file_is_longer_than_can_be_kept_in_mind() -> None:
    assert [_named(path) for path in _sources() if len(path.read_text().splitlines()) > MAX_LINES] == []


def test_no_duty_is_called_utils() -> None:
    names = {"utils.py", "helpers.py", "base.py", "manager.py", "misc.py", "common_utils.py"}
    assert [_named(path) for path in _sources(under=APPS) if path.name in names] == []


@pytest.mark.parametrize(
    "lock", sorted([*BASE_DIR.glob("requirements*.lock"), *BASE_DIR.glob("tests/*/*.lock")]), ids=_named
)
def test_a_lock_names_versions_and_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"://|^-|index-url|find-links", text, re.MULTILINE)
    packages = [line for line in text.replace("\\\n", "").splitlines() if line.strip() and line.strip()[0] != "#"]
    assert packages
    assert [package for package in packages if not re.match(r"\S+==\S+ .*--hash=sha256:", package)] == []


def test_pages_hold_no_inline_script_style_or_handler() -> None:
    inline = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle\s*=|\son[a-z]+\s*=|hx-on|javascript:", re.IGNORECASE)
    pages = [path for path in _templates() if "emails" not in path.parts and "email" not in path.parts]
    assert [_named(path) for path in pages if inline.search(_html(path))] == []


def test_pages_load_nothing_from_elsewhere() -> None:
    foreign = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](?:https?:)?//", re.IGNORECASE)
    assert [_named(path) for path in _templates() if foreign.search(_html(path))] == []


def test_csrf_is_never_switched_off() -> None:
    exempt = {_named(path) for path in _sources(under=APPS) if "csrf_exempt" in path.read_text()}
    assert exempt == CSRF_EXEMPT


def test_nothing_is_pickled() -> None:
    found = re.compile(r"^\s*(?:import|from) (?:pickle|marshal|shelve|dill)\b", re.MULTILINE)
    assert [_named(path) for path in _sources() if found.search(path.read_text())] == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    machine = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/")
    top = [path for path in BASE_DIR.iterdir() if path.is_file() and path.name != ".git"]
    files = [*top, *_sources(under=(*APPS, "tests")), *_templates()]
    assert [_named(path) for path in files if machine.search(path.read_text())] == []


def test_every_exclusion_of_a_lint_rule_gives_its_reason() -> None:
    bare = re.compile(r"# (?:noqa|type: ignore)(?:: ?[A-Z0-9, ]+|\[[a-z\-, ]+\])?\s*$", re.MULTILINE)
    assert [_named(path) for path in _sources() if bare.search(path.read_text())] == []


def test_literals_that_look_like_secrets_are_split() -> None:
    whole = re.compile(r"[a-z0-9]{2,12}_(?:live|test|cs|api)_[0-9A-Za-z]{38}")
    files = [*_sources(under=(*APPS, "tests")), *_templates()]
    assert [_named(path) for path in files if whole.search(path.read_text())] == []


def test_every_statement_about_oauths_endpoints_is_named_by_a_test() -> None:
    said = " ".join(docstring for path in _sources(under=("tests",)) for docstring in _test_docstrings(path))
    assert set(re.findall(r"\b(?:TK|IN|RV|JK|MD)[0-9]+\b", said)) == STATEMENTS


def _test_docstrings(path: Path) -> Iterator[str]:
    """What the tests of a file say of themselves."""
    if path.name.startswith("test_"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or ""


def _prose(document: Path) -> str:
    """The document without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


def _quoted(document: Path) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]+)`", _prose(document))


def _anchors(document: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", _prose(document))
    found = [((document.parent / path).resolve() if path else document, anchor) for path, anchor in links]
    assert [_named(path) for path, _ in found if not path.is_file()] == []
    assert [anchor for path, anchor in found if anchor and anchor not in _anchors(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_every_file_and_target_that_a_document_names_exists(document: Path) -> None:
    paths = [
        text for text in _quoted(document) if re.fullmatch(r"[\w.-]+/[\w./-]*|[\w.-]+\.(?:py|md|yml|toml|lua)", text)
    ]
    assert [path for path in paths if not (BASE_DIR / path).exists() and path != "var/"] == []
    targets = set(re.findall(r"^([a-z]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
    named = {
        text.partition("make ")[2].split()[0]
        for text in _quoted(document)
        if re.search(r"^(\w+=\S+ )*make [a-z]", text)
    }
    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_every_name_that_a_document_takes_from_the_code_is_there(document: Path) -> None:
    files = [*_sources(under=(*APPS, "tests")), *(BASE_DIR / "keys").rglob("*.lua"), *_templates()]
    others = [BASE_DIR / name for name in ("Makefile", ".env.example", "docker-compose.yml", "Dockerfile", "Caddyfile")]
    words = set(re.findall(r"\w+", " ".join(path.read_text() for path in [*files, *others])))
    names = [text for text in _quoted(document) if re.fullmatch(r"\w+(?:\.[A-Za-z_]\w*)*", text, re.ASCII)]
    assert [name for name in names if not set(name.split(".")) <= words and not (BASE_DIR / name).exists()] == []


# Django finds these by their names.
SHARED_CLASS_NAMES = {"Command", "Meta", "Migration"}


def test_a_public_class_name_stands_in_one_module_only() -> None:
    modules: dict[str, set[str]] = {}
    for path in _sources(under=APPS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, set()).add(_named(path))
    shared = {name: sorted(paths) for name, paths in modules.items() if len(paths) > 1}
    assert {name: paths for name, paths in shared.items() if name not in SHARED_CLASS_NAMES} == {}


# Calls by which a function writes, sends or claims: a method's or a function's name, or how it begins.
EFFECTS = WRITES | {
    "acquire", "add", "append", "clear", "delete_many", "discard", "enqueue", "eval", "execute", "executemany",
    "extend", "inc", "incr", "invalidates", "lpush", "pop", "popitem", "popleft", "put", "put_nowait", "release",
    "remove", "rpush", "run_script", "set", "set_many", "setdefault", "setex", "submit", "touch", "xadd",
}  # fmt: skip
EFFECT = re.compile(r"_?(?:claim|publish|record|send|spend|try_|write)")


def _effects(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The calls that act, and the assignments to anything but the function's own variables."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                if name in EFFECTS or EFFECT.match(name):
                    yield name
            case ast.Attribute(attr=name, ctx=ast.Store() | ast.Del()):
                yield f"{name} ="
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                yield "[…] ="


def test_a_function_that_asks_has_no_effect() -> None:
    asking = {
        f"{_named(path)} {node.name}": sorted(set(_effects(node)))
        for path in _sources(under=APPS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and re.match("_?(?:is|has)_", node.name)
    }
    assert len(asking) > 50
    assert {name: effects for name, effects in asking.items() if effects} == {}
