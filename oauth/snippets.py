"""Getting a token and calling with it in several languages, for one client."""

from django.conf import settings

from oauth.models import Client
from portal.highlighting import Snippet

VARIABLE = "LATCHKEY_CLIENT_SECRET"


def with_secret(client: Client, secret_text: str) -> list[Snippet]:
    """How a new client is put to use, with its secret in place; never kept, only rendered."""
    return [
        Snippet(".env", "ini", f"LATCHKEY_CLIENT_ID={client.public_id}\n{VARIABLE}={secret_text}"),
        Snippet("curl", "bash", _curl(client, secret_text)),
        Snippet("Python", "python", _python(client, f'"{secret_text}"')),
        Snippet("Node", "javascript", _node(client, f'"{secret_text}"')),
    ]


def with_variable(client: Client) -> list[Snippet]:
    """How a client gets a token with its secret in an environment variable, or with its own key in a file."""
    if client.public_keys:
        return [Snippet("Python", "python", _python_assertion(client)), Snippet("Call with it", "bash", _call())]
    return [
        Snippet("curl", "bash", _curl(client, f"${VARIABLE}")),
        Snippet("Python", "python", "import os\n" + _python(client, f'os.environ["{VARIABLE}"]')),
        Snippet("Node", "javascript", _node(client, f"process.env.{VARIABLE}")),
        Snippet("Go", "go", _go(client)),
        Snippet("Call with it", "bash", _call()),
    ]


def _url() -> str:
    return f"{settings.PUBLIC_URL}/oauth/token"


def _audience(client: Client) -> str:
    """The API that the client was let in at first; with several the token request has to name one."""
    grant = client.grants.order_by("pk").select_related("api").first()
    return grant.api.identifier if grant else ""


def _curl(client: Client, secret: str) -> str:
    return (
        f"curl {_url()} \\\n"
        f'  -u "{client.public_id}:{secret}" \\\n'
        "  -d grant_type=client_credentials \\\n"
        f"  --data-urlencode audience={_audience(client)}"
    )


def _call() -> str:
    return f'curl {settings.PUBLIC_URL}/v1/whoami \\\n  -H "Authorization: Bearer $ACCESS_TOKEN"'


def _python(client: Client, secret: str) -> str:
    return (
        "import json\n"
        "from urllib.parse import urlencode\n"
        "from urllib.request import urlopen\n\n"
        "form = {\n"
        '    "grant_type": "client_credentials",\n'
        f'    "client_id": "{client.public_id}",\n'
        f'    "client_secret": {secret},\n'
        f'    "audience": "{_audience(client)}",\n'
        "}\n"
        f'answer = urlopen("{_url()}", urlencode(form).encode())\n'
        'token = json.load(answer)["access_token"]'
    )


def _python_assertion(client: Client) -> str:
    key = client.public_keys[0]
    return (
        "import time, uuid\n"
        "import jwt, requests  # PyJWT\n\n"
        "claims = {\n"
        f'    "iss": "{client.public_id}",\n'
        f'    "sub": "{client.public_id}",\n'
        f'    "aud": "{settings.PUBLIC_URL}",\n'
        '    "jti": str(uuid.uuid4()),\n'
        '    "exp": int(time.time()) + 60,\n'
        "}\n"
        'private_key = open("private.pem").read()\n'
        f'assertion = jwt.encode(claims, private_key, algorithm="{key["alg"]}", headers={{"kid": "{key["kid"]}"}})\n'
        "form = {\n"
        '    "grant_type": "client_credentials",\n'
        '    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",\n'
        '    "client_assertion": assertion,\n'
        f'    "audience": "{_audience(client)}",\n'
        "}\n"
        f'token = requests.post("{_url()}", data=form).json()["access_token"]'
    )


def _node(client: Client, secret: str) -> str:
    return (
        f"const clientSecret = {secret};\n"
        f'const answer = await fetch("{_url()}", {{\n'
        '  method: "POST",\n'
        "  body: new URLSearchParams({\n"
        '    grant_type: "client_credentials",\n'
        f'    client_id: "{client.public_id}",\n'
        "    client_secret: clientSecret,\n"
        f'    audience: "{_audience(client)}",\n'
        "  }),\n"
        "});\n"
        "const { access_token } = await answer.json();"
    )


def _go(client: Client) -> str:
    return (
        "form := url.Values{\n"
        '  "grant_type":    {"client_credentials"},\n'
        f'  "client_id":     {{"{client.public_id}"}},\n'
        f'  "client_secret": {{os.Getenv("{VARIABLE}")}},\n'
        f'  "audience":      {{"{_audience(client)}"}},\n'
        "}\n"
        f'answer, err := http.PostForm("{_url()}", form)'
    )
