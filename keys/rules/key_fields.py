"""The editable fields of an API key, and those that it shares with OAuth clients. Pure.

Services, forms, reviews and the audit trail read these tables, in this order.
"""

from collections.abc import Mapping

from keys.rules import access_increase, field_rules, limit_rows
from portal.fields import Field
from portal.metadata import clean_metadata, metadata_rows, parse_metadata_rows
from portal.moments import clean_moment
from portal.names import clean_name

NAME = Field("Name", clean=clean_name)
NOTE = Field("Stored in", clean=field_rules.clean_note, parse=field_rules.clean_note)
NETWORKS = Field(
    "Allowed addresses",
    "any address",
    clean=field_rules.clean_networks,
    parse=field_rules.parse_networks,
    spell="\n".join,
    widens=access_increase.allows_more_networks,
)
RATE_LIMITS = Field(
    "Rate limits",
    "API default",
    clean=field_rules.clean_rate_limits,
    parse=limit_rows.parse_rate_limit_rows,
    spell=limit_rows.rate_limit_rows,
    widens=access_increase.loosens_rate_limits,
)
METADATA = Field("Metadata", clean=clean_metadata, parse=parse_metadata_rows, spell=metadata_rows)

KEY_FIELDS: Mapping[str, Field] = {
    "name": NAME,
    "note": NOTE,
    "scopes": Field("Scopes", widens=access_increase.adds_scopes),
    "networks": NETWORKS,
    "rate_limits": RATE_LIMITS,
    "quota": Field(
        "Quota",
        "any number of uses",
        clean=field_rules.clean_quota,
        parse=limit_rows.parse_quota_rows,
        spell=limit_rows.quota_rows,
        widens=access_increase.loosens_quota,
    ),
    "metadata": METADATA,
    "not_before": Field(
        "Not before", "immediately", clean=clean_moment, widens=access_increase.begins_earlier, is_moment=True
    ),
    "expires_at": Field("Expires", "never", clean=clean_moment, widens=access_increase.ends_later, is_moment=True),
}
