"""All URLs that Django serves, with the arguments of each filled in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Model
from django.urls import URLResolver, get_resolver

from keys.models import ApiKey
from oauth.models import Client
from portal.models import Invitation, ServiceAccount, User

_ARGUMENT = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Address:
    """A URL's path, with its name and Django's route."""

    name: str
    path: str
    route: str

    @property
    def is_about_one(self) -> bool:
        """Whether the route has the id of a key or a client."""
        return ":public_id>" in self.route

    @property
    def is_of_admin(self) -> bool:
        """Whether the page belongs to admin."""
        return self.name.startswith("admin:")


def addresses(key: ApiKey, client: Client, *others: Model) -> list[Address]:
    """Each route once, with this key or client as its argument. A route with an unknown argument raises KeyError.

    A page about an object of another model is about the one of ``others``, if there is one.
    """
    pks = {f"/admin/{each._meta.app_label}/{each._meta.model_name}/": each.pk for each in others}
    ids = {type(each): each.public_id for each in others if isinstance(each, Invitation | ServiceAccount)}
    arguments = {
        "public_id": key.public_id,
        "secret_id": key.secrets.all()[0].public_id,
        "invitation_id": ids.get(Invitation, f"inv_{'0' * 22}"),
        "account_id": ids.get(ServiceAccount, f"svc_{'0' * 22}"),
        "kind": "csv",
        "token": "token",
        "user_id": User.objects.get(api_keys=key).public_id,
        "object_id": key.pk,
        "pk": key.api_id,
        "content_type_id": 1,
        "app_label": "keys",
        "uidb36": "1",
        "key": "token",
        "url": "nowhere",
    }
    of_client = arguments | {"public_id": client.public_id, "secret_id": client.secrets.all()[0].public_id}
    found = []
    for name, route in _walk(get_resolver(), "", "/"):
        known = of_client if name.startswith("clients:") else arguments
        model, of_object, _ = route.partition("<path:object_id>")
        known = known | {"object_id": pks[model]} if of_object and model in pks else known
        found.append(Address(name, _filled(route, known), route))
    return found


def _filled(route: str, arguments: Mapping[str, object]) -> str:
    return _ARGUMENT.sub(lambda found: str(arguments[found[1] or found[2]]), route)


def _walk(resolver: URLResolver, namespace: str, before: str) -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, f"{pattern.namespace}:" if pattern.namespace else namespace, route)
        else:
            yield f"{namespace}{pattern.name}", route
