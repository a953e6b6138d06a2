"""Snippets that get a token for one client and call with it, in several languages.

People paste them unchanged. A ``kid`` and an API's identifier are texts that other people chose: each is quoted in the
snippet's language, so that it cannot become code.
"""

import json
import shlex

from django.conf import settings

from oauth.models import Client
from portal.ui.highlighting import Snippet

VARIABLE = "LATCHKEY_CLIENT_SECRET"


def with_secret(client: Client, secret_text: str) -> list[Snippet]:
    """Snippets with the secret in place; they are rendered once and never stored."""
    return [
        Snippet(".env", "ini", f"LATCHKEY_CLIENT_ID={client.public_id}\n{VARIABLE}={secret_text}"),
        Snippet("curl", "bash", _curl(client, secret_text)),
        Snippet("Python", "python", _python(client, _literal(secret_text))),
        Snippet("Node", "javascript", _node(client, _literal(secret_text))),
        Snippet("Go", "go", _go(client, _literal(secret_text))),
    ]


def with_variable(client: Client) -> list[Snippet]:
    """Snippets that read the secret from an environment variable, or the client's private key from a file."""
    if client.public_keys:
        return [Snippet("Python", "python", _python_assertion(client)), Snippet("Call with it", "bash", _call())]
    return [
        Snippet("curl", "bash", _curl(client, f"${VARIABLE}")),
        Snippet("Python", "python", "import os\n" + _python(client, f'os.environ["{VARIABLE}"]')),
        Snippet("Node", "javascript", _node(client, f"process.env.{VARIABLE}")),
        Snippet("Go", "go", _go(client, f'os.Getenv("{VARIABLE}")')),
        Snippet("Call with it", "bash", _call()),
    ]


def _url() -> str:
    return f"{settings.PUBLIC_URL}/oauth/token"


def _audience(client: Client) -> str:
    """The identifier of the API that was granted first; with several grants a token request has to name one."""
    grant = client.grants.order_by("pk").select_related("api").first()
    return grant.api.identifier if grant else ""


def _literal(text: str) -> str:
    """A string literal that Python, JavaScript and Go read alike, for printable text."""
    # JSON escapes a character beyond U+FFFF as two surrogates, which Python would read as two characters.
    return json.dumps(text, ensure_ascii=False)


def _curl(client: Client, secret: str) -> str:
    return (
        f"curl {shlex.quote(_url())} \\\n"
        # Double quotes, because a variable needs them. An id or secret has no character that is special inside them.
        f'  -u "{client.public_id}:{secret}" \\\n'
        "  -d grant_type=client_credentials \\\n"
        f"  --data-urlencode {shlex.quote(f'audience={_audience(client)}')}"
    )


def _call() -> str:
    url = shlex.quote(f"{settings.PUBLIC_URL}/v1/whoami")
    return f'curl {url} \\\n  -H "Authorization: Bearer $LATCHKEY_ACCESS_TOKEN"'


def _python(client: Client, secret: str) -> str:
    return (
        "import json\n"
        "from urllib.parse import urlencode\n"
        "from urllib.request import urlopen\n\n"
        "form = {\n"
        '    "grant_type": "client_credentials",\n'
        f'    "client_id": {_literal(client.public_id)},\n'
        f'    "client_secret": {secret},\n'
        f'    "audience": {_literal(_audience(client))},\n'
        "}\n"
        f"answer = urlopen({_literal(_url())}, urlencode(form).encode())\n"
        'token = json.load(answer)["access_token"]'
    )


def _python_assertion(client: Client) -> str:
    key = client.public_keys[0]
    return (
        "import time, uuid\n"
        "from pathlib import Path\n"
        "import jwt, requests  # PyJWT\n\n"
        "now = int(time.time())\n"
        "claims = {\n"
        f'    "iss": {_literal(client.public_id)},\n'
        f'    "sub": {_literal(client.public_id)},\n'
        f'    "aud": {_literal(settings.PUBLIC_URL)},\n'
        '    "jti": str(uuid.uuid4()),\n'
        '    "iat": now,\n'
        '    "exp": now + 60,\n'
        "}\n"
        f'headers = {{"kid": {_literal(key["kid"])}}}\n'
        'private_key = Path("private.pem").read_text()\n'
        f"assertion = jwt.encode(claims, private_key, algorithm={_literal(key['alg'])}, headers=headers)\n"
        "form = {\n"
        '    "grant_type": "client_credentials",\n'
        '    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",\n'
        '    "client_assertion": assertion,\n'
        f'    "audience": {_literal(_audience(client))},\n'
        "}\n"
        f'token = requests.post({_literal(_url())}, data=form).json()["access_token"]'
    )


def _node(client: Client, secret: str) -> str:
    return (
        f"const clientSecret = {secret};\n"
        f"const answer = await fetch({_literal(_url())}, {{\n"
        '  method: "POST",\n'
        "  body: new URLSearchParams({\n"
        '    grant_type: "client_credentials",\n'
        f"    client_id: {_literal(client.public_id)},\n"
        "    client_secret: clientSecret,\n"
        f"    audience: {_literal(_audience(client))},\n"
        "  }),\n"
        "});\n"
        "const { access_token } = await answer.json();"
    )


def _go(client: Client, secret: str) -> str:
    return (
        "form := url.Values{\n"
        '\t"grant_type":    {"client_credentials"},\n'
        f'\t"client_id":     {{{_literal(client.public_id)}}},\n'
        f'\t"client_secret": {{{secret}}},\n'
        f'\t"audience":      {{{_literal(_audience(client))}}},\n'
        "}\n"
        f"answer, err := http.PostForm({_literal(_url())}, form)\n"
        "if err != nil {\n"
        "\tlog.Fatal(err)\n"
        "}\n"
        "defer answer.Body.Close()\n"
        "if answer.StatusCode != http.StatusOK {\n"
        "\tlog.Fatal(answer.Status)\n"
        "}\n"
        "var token struct {\n"
        '\tAccessToken string `json:"access_token"`\n'
        "}\n"
        "if err := json.NewDecoder(answer.Body).Decode(&token); err != nil {\n"
        "\tlog.Fatal(err)\n"
        "}\n"
        "fmt.Println(token.AccessToken)"
    )
