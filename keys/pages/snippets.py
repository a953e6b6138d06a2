"""Example calls in several languages, with a key's secret or with an environment variable."""

from django.conf import settings

from portal.ui.highlighting import Snippet

VARIABLE = "LATCHKEY_API_KEY"


def with_secret(secret_text: str) -> list[Snippet]:
    """Return examples that contain a new key's secret. They are only rendered, never stored."""
    return [
        Snippet(".env", "ini", f"{VARIABLE}={secret_text}"),
        Snippet("curl", "bash", _curl(secret_text)),
        Snippet("Python", "python", _python(f'"{secret_text}"')),
        Snippet("Node", "javascript", _node(f'"{secret_text}"')),
    ]


def with_variable() -> list[Snippet]:
    """Return examples of a first call, with the key in an environment variable."""
    return [
        Snippet("curl", "bash", _curl(f"${VARIABLE}")),
        Snippet("Python", "python", "import os\n" + _python(f'os.environ["{VARIABLE}"]')),
        Snippet("Node", "javascript", _node(f"process.env.{VARIABLE}")),
        Snippet("Go", "go", _go()),
    ]


def _url() -> str:
    return f"{settings.PUBLIC_URL}/v1/whoami"


def _curl(key: str) -> str:
    return f'curl {_url()} \\\n  -H "Authorization: Bearer {key}"'


def _python(key: str) -> str:
    return (
        "from urllib.request import Request, urlopen\n\n"
        f"key = {key}\n"
        f'request = Request("{_url()}", headers={{"Authorization": f"Bearer {{key}}"}})\n'
        "print(urlopen(request).read().decode())"
    )


def _node(key: str) -> str:
    return (
        f"const key = {key};\n"
        f'const answer = await fetch("{_url()}", {{\n'
        "  headers: { Authorization: `Bearer ${key}` },\n"
        "});\n"
        "console.log(await answer.json());"
    )


def _go() -> str:
    return (
        f'request, _ := http.NewRequest("GET", "{_url()}", nil)\n'
        f'request.Header.Set("Authorization", "Bearer "+os.Getenv("{VARIABLE}"))\n'
        "answer, err := http.DefaultClient.Do(request)"
    )
