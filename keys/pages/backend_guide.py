"""Texts of the docs page for backend developers: calls, codes, and how to reject a typo offline. Pure."""

from dataclasses import dataclass

from keys.rules.secret import PATTERN
from keys.validation.types import Code
from portal.ui.highlighting import Snippet


@dataclass(frozen=True)
class CodeGuide:
    """A code of the validate response: its meaning, and the status to return to one's own caller."""

    code: Code
    meaning: str
    answer: str


_UNAUTHORIZED = "401"
_FORBIDDEN = "403"
CODES = (
    CodeGuide(Code.VALID, "The call may go on.", "Your own answer"),
    CodeGuide(Code.MALFORMED, "No key looks like this: a typo, or something else altogether.", _UNAUTHORIZED),
    CodeGuide(Code.NOT_FOUND, "Unknown, or for another API or environment than yours.", _UNAUTHORIZED),
    CodeGuide(Code.COMPROMISED, "The key leaked and was revoked.", _UNAUTHORIZED),
    CodeGuide(Code.REVOKED, "The key was revoked for good.", _UNAUTHORIZED),
    CodeGuide(Code.DISABLED, "The key is paused, or your API is disabled.", _UNAUTHORIZED),
    CodeGuide(Code.NOT_YET_VALID, "The key's start lies ahead.", _UNAUTHORIZED),
    CodeGuide(Code.EXPIRED, "The key's end has passed.", _UNAUTHORIZED),
    CodeGuide(Code.SUPERSEDED, "The key was rolled and this is its old secret, after the overlap.", _UNAUTHORIZED),
    CodeGuide(Code.ORGANIZATION_SUSPENDED, "The operator has suspended the key's organization.", _FORBIDDEN),
    CodeGuide(Code.IP_DENIED, "The key is bound to other addresses, or you sent no ip.", _FORBIDDEN),
    CodeGuide(Code.INSUFFICIENT_SCOPE, "The key lacks a scope you asked for; missing_scopes names it.", _FORBIDDEN),
    CodeGuide(Code.RULE_DENIED, "A rule of the key forbids this method or path.", _FORBIDDEN),
    CodeGuide(Code.RATE_LIMITED, "Too many calls; wait retry_after_s.", "429 with Retry-After"),
    CodeGuide(Code.QUOTA_EXCEEDED, "The key's calls for this period are used up.", "429"),
    CodeGuide(Code.SIGNATURE_INVALID, "A token whose signature or claims are wrong.", _UNAUTHORIZED),
    CodeGuide(Code.ISSUER_UNKNOWN, "A token of an issuer that is not trusted here.", _UNAUTHORIZED),
)

ANSWER = """\
{"valid": true, "code": "VALID", "request_id": "req_…",
 "credential": {"type": "api_key", "id": "key_…", "name": "billing worker",
                "environment": "live", "expires_at": null, "secret_id": "sec_…"},
 "organization": {"id": "org_…", "name": "Acme", "external_id": "C-1042",
                  "metadata": {"plan": "gold"}},
 "subject": "key_…", "client_id": null, "scopes": ["orders:read"],
 "metadata": {"team": "billing"}, "operator_metadata": {"beta": true},
 "rate_limit": {"limit": 100, "window_s": 60, "remaining": 99, "reset_s": 0.6},
 "quota": null}
"""

# Shown on the page as it is. A test runs it against keys.rules.secret, so that the page and the product agree.
CHECKSUM = """\
import re
import zlib

PATTERN = re.compile(r"{pattern}")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def looks_like_a_key(text: str) -> bool:
    if not PATTERN.fullmatch(text):
        return False
    number, digits = zlib.crc32(text[:-6].encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return text[-6:] == digits
""".replace("{pattern}", PATTERN)

_CURL = """\
curl {url}/v1/validate \\
  -H "Authorization: Bearer $LATCHKEY_API_SECRET" \\
  -H "Content-Type: application/json" \\
  -d '{{"credential": "'"$LATCHKEY_API_KEY"'",
       "scopes": ["orders:read"], "ip": "203.0.113.9"}}'
"""

_PYTHON = """\
import json
import os
from urllib.request import Request, urlopen


def validate(key: str, scopes: list[str], ip: str) -> dict:
    body = json.dumps({{"credential": key, "scopes": scopes, "ip": ip}}).encode()
    request = Request(
        "{url}/v1/validate",
        data=body,
        headers={{
            "Authorization": f"Bearer {{os.environ['LATCHKEY_API_SECRET']}}",
            "Content-Type": "application/json",
        }},
    )
    with urlopen(request, timeout=3) as answer:  # on any error: refuse
        return json.load(answer)
"""

_NODE = """\
export async function validate(key, scopes, ip) {{
  const answer = await fetch("{url}/v1/validate", {{
    method: "POST",
    headers: {{
      Authorization: `Bearer ${{process.env.LATCHKEY_API_SECRET}}`,
      "Content-Type": "application/json",
    }},
    body: JSON.stringify({{ credential: key, scopes, ip }}),
    signal: AbortSignal.timeout(3000),
  }});
  if (!answer.ok) throw new Error(`Latchkey answered ${{answer.status}}`); // refuse
  return answer.json();
}}
"""

_GO = """\
func validate(ctx context.Context, key string, scopes []string, ip string) (verdict Verdict, err error) {{
	body, err := json.Marshal(map[string]any{{"credential": key, "scopes": scopes, "ip": ip}})
	if err != nil {{
		return verdict, err
	}}
	request, err := http.NewRequestWithContext(ctx, "POST", "{url}/v1/validate", bytes.NewReader(body))
	if err != nil {{
		return verdict, err
	}}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("LATCHKEY_API_SECRET"))
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {{
		return verdict, err // refuse
	}}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {{
		return verdict, fmt.Errorf("latchkey answered %s", answer.Status) // refuse
	}}
	return verdict, json.NewDecoder(answer.Body).Decode(&verdict)
}}
"""


def validate_snippets(public_url: str) -> list[Snippet]:
    """Return code that validates a key, in four languages."""
    texts = (("curl", "bash", _CURL), ("Python", "python", _PYTHON), ("Node", "javascript", _NODE), ("Go", "go", _GO))
    return [Snippet(title, language, text.format(url=public_url)) for title, language, text in texts]


def pattern(brand: str) -> str:
    """Return the regular expression of this installation's keys, for secret scanners and commit hooks."""
    return PATTERN.replace("[a-z0-9]{2,12}", brand)
