"""What we use of libraries that they do not document: each name once, with its reason. An upgrade may break it."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from portal.env import BASE_DIR
from tests.support.apps import APPS

# What allauth's documentation names: adapters, forms, signals, models, views to build on.
DOCUMENTED = {
    "allauth.account.adapter", "allauth.account.decorators", "allauth.account.forms", "allauth.account.models",
    "allauth.account.signals", "allauth.account.urls", "allauth.account.views", "allauth.mfa.adapter",
    "allauth.mfa.models", "allauth.mfa.signals",
}  # fmt: skip
UNDOCUMENTED = {
    "allauth.account.authentication.get_authentication_records": "what was shown in this session, and when",
    "allauth.account.internal.flows.login.record_authentication": "a passkey or a mailed code is noted as shown",
    "allauth.account.utils.get_next_redirect_url": "the way back that allauth's own pages carry",
    "allauth.core.context": "the request, where a form or a receiver is handed none",
    "allauth.core.exceptions.ImmediateHttpResponse": "how an adapter answers in place of a view",
    "allauth.core.exceptions.ReauthenticationRequired": "raised by allauth's decorators; our middleware answers it",
    "allauth.core.internal.ratelimit": "allauth's own counts; the public module cannot take a guess back",
    "allauth.mfa.base.forms": "the forms of codes, which the setting MFA_FORMS lets us replace",
    "allauth.mfa.base.views": "the pages of second factors",
    "allauth.mfa.recovery_codes.internal.flows": "makes codes; the view would show them on a page of its own",
    "allauth.mfa.recovery_codes.views": "the page that makes recovery codes",
    "allauth.mfa.totp.forms": "the form of the set-up, which MFA_FORMS lets us replace",
    "allauth.mfa.totp.internal.flows": "turns an app on; the view would show the codes on a page of its own",
    "allauth.mfa.totp.views": "the pages of authenticator apps",
    "allauth.mfa.utils.is_mfa_enabled": "whether a person has a factor of a kind",
    "allauth.mfa.webauthn.forms": "the forms of passkeys, which MFA_FORMS lets us replace",
    "allauth.mfa.webauthn.internal.auth": "checks passkeys; our forms bound what a browser sends first",
    "allauth.mfa.webauthn.internal.flows": "adds and uses passkeys; the views ask for another kind of them",
    "allauth.mfa.webauthn.views": "the pages of passkeys",
}
# Private methods of a library's class that one of ours stands in for.
OVERRIDDEN = {
    "portal.accounts.adapters.AccountAdapter._delete_login_attempts_cached_email": "a reset begins the counts anew",
    "portal.accounts.adapters.AccountAdapter._rollback_login_failed_rl_usage": "a right password uses up no try",
    "portal.accounts.sessions.SessionStore._get_session_from_db": "finds the row by the digest of the cookie",
}


def _modules() -> Iterator[str]:
    for app in APPS:
        for path in sorted((BASE_DIR / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield ".".join(path.relative_to(BASE_DIR).with_suffix("").parts)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _is_private(name: str) -> bool:
    return any(part == "internal" or (part[0] == "_" and part != "__future__") for part in name.split("."))


def _is_undocumented(name: str) -> bool:
    if name.startswith("allauth."):
        return _is_private(name) or not any(name == each or name.startswith(f"{each}.") for each in DOCUMENTED)
    return not name.startswith(APPS) and _is_private(name)


def test_each_private_or_undocumented_import_is_known_with_its_reason() -> None:
    found = {name for app in APPS for path in (BASE_DIR / app).rglob("*.py") for name in _imported(path)}
    found = {name for name in found if _is_undocumented(name)}
    named = {
        name.removesuffix(f".{part}") if name.removesuffix(f".{part}") in UNDOCUMENTED else name
        for name in found
        for part in [name.rpartition(".")[2]]
    }
    assert named == set(UNDOCUMENTED)


def test_each_private_method_that_we_stand_in_for_is_known_with_its_reason() -> None:
    found = set()
    for module in _modules():
        if module.rpartition(".")[2] in {"asgi", "wsgi", "__main__"}:
            continue
        for name, cls in inspect.getmembers(importlib.import_module(module), inspect.isclass):
            if cls.__module__ == module:
                theirs = {each for base in cls.__mro__ if not base.__module__.startswith(APPS) for each in vars(base)}
                found |= {f"{module}.{name}.{each}" for each in _private_methods(cls) if each in theirs}
    assert found == set(OVERRIDDEN)


def _private_methods(cls: type) -> Iterator[str]:
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
        if isinstance(node, ast.FunctionDef) and node.name[0] == "_" and not node.name.startswith("__"):
            yield node.name
