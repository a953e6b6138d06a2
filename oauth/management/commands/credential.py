"""``manage.py credential ID ACTION``: scripted operations on keys, clients, API secrets and organizations."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError

from keys import command_actions as of_keys
from keys.models import RevokeReason
from keys.services.errors import Refused
from oauth import command_actions as of_clients

FIND = {**of_keys.FIND, **of_clients.FIND}
ACTIONS = {**of_keys.ACTIONS, **of_clients.ACTIONS}


class Command(BaseCommand):
    """Shows or changes one credential or organization."""

    help = "Show or change an API key, an OAuth client, an API secret or an organization."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the id, the action and the options of all actions."""
        parser.add_argument("id", help="key_…, client_…, sec_… (an API secret) or org_…")
        parser.add_argument("action", choices=sorted({action for actions in ACTIONS.values() for action in actions}))
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        parser.add_argument(
            "--reason", choices=RevokeReason.values, default=RevokeReason.OTHER.value, help="of a revoke"
        )
        parser.add_argument("--overlap", type=int, default=3600, metavar="SECONDS", help="of a roll; 3600 if not given")
        parser.add_argument("--scopes", metavar="a,b", help="the scopes; '' for none")
        parser.add_argument("--networks", metavar="10.0.0.0/8,…", help="the networks; '' for any")
        parser.add_argument(
            "--rate-limit",
            action="append",
            dest="rate_limits",
            metavar="[NAME=]100/60",
            help="requests/seconds; repeat it, or '' for none",
        )
        parser.add_argument("--quota", metavar="10[/day|/month]", help="uses in all, a day or a month; '' for any")
        parser.add_argument(
            "--operator-metadata", metavar="JSON", help="what backends are told in the operator's words; '' for nothing"
        )
        parser.add_argument("--external-id", metavar="ID", help="of an organization, in other systems; '' for none")
        parser.add_argument("--expires-at", metavar="2027-01-31T00:00:00Z", help="an instant, or 'never'")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the action and print its report."""
        prefix = options["id"].partition("_")[0]
        action = ACTIONS.get(prefix, {}).get(options["action"])
        if action is None:
            raise CommandError(f"{options['id'][:40]!r} has no action {options['action']}.")
        try:
            report = action(FIND[prefix](options["id"]), options)
        except ObjectDoesNotExist:
            raise CommandError(f"There is no {options['id'][:40]!r}.") from None
        except (Refused, ValueError) as exc:
            raise CommandError(str(exc)) from None
        lines = [f"{name}: {_spelled(value)}" for name, value in report.items()]
        self.stdout.write(json.dumps(report) if options["json"] else "\n".join(lines))


def _spelled(value: object) -> object:
    """An object or a list as JSON, the form that the options accept; a text or a number unchanged."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
