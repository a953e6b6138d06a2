"""Sign-ins by the hundred: what they cost a web process that really runs."""

import os
import re
import statistics
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from portal.accounts.passwords import CORES
from tests.support import live

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]
SIGN_INS = 200
ALLOWED_MIB = CORES * 19 + 100


def test_200_sign_ins_at_once_stay_within_the_cores_memory_and_all_are_answered(
    tmp_path: Path, prove: Callable[[str], None]
) -> None:
    proxies = "127.0.0.1/32,::1/128"
    with (
        live.database() as url,
        live.portal(tmp_path, database_url=url, TRUSTED_PROXIES=proxies) as portal,
        httpx.Client(base_url=portal.url, timeout=300, limits=httpx.Limits(max_connections=SIGN_INS)) as browser,
    ):
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/accounts/login/").text)
        assert token

        def sign_in(number: int) -> int:
            person = {"login": f"u{number}@example.com", "password": "words of no account"}
            headers = {"X-Forwarded-For": f"198.51.{number}.1"}
            form = person | {"csrfmiddlewaretoken": token[1]}
            return browser.post("/accounts/login/", data=form, headers=headers).status_code

        sign_in(SIGN_INS)
        before = portal.resident_mib()
        with ThreadPoolExecutor(SIGN_INS) as pool:
            answers = Counter(pool.map(sign_in, range(SIGN_INS)))
        grown = max(peak - before[pid] for pid, peak in portal.peak_mib().items())
    prove(f"{SIGN_INS} sign-ins at once on {os.cpu_count()} cores: {dict(answers)}, grown by {grown:.0f} MiB")
    assert set(answers) <= {200, 429, 503}
    assert grown < ALLOWED_MIB


PEOPLE = 15
_MAKE = """
from portal.models import User
for number in range(%d):
    User.objects.create_user(f"known{number}@example.com")
"""


@pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/password/reset/", "/accounts/login/"])
def test_no_time_tells_whether_an_address_is_known(path: str, tmp_path: Path, prove: Callable[[str], None]) -> None:
    with (
        live.database() as url,
        live.portal(tmp_path, database_url=url, TRUSTED_PROXIES="127.0.0.1/32,::1/128") as portal,
    ):
        portal.manage("shell", "-c", _MAKE % PEOPLE)
        took: dict[str, list[float]] = {"known": [], "unknown": []}
        for number in range(PEOPLE):
            for kind, times in took.items():
                headers = {"X-Forwarded-For": f"198.51.{number}.{len(kind)}"}
                with httpx.Client(base_url=portal.url, timeout=60, headers=headers) as browser:
                    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(path).text)
                    assert token
                    address = f"{kind}{number}@example.com"
                    form = {"email": address, "login": address, "csrfmiddlewaretoken": token[1]}
                    form |= {"password": "words of no account", "password1": "words of a new account"}
                    answer = browser.post(path, data=form)
                    assert answer.status_code in {200, 302}
                    assert "x-latchkey-not-before" not in answer.headers
                    times.append(answer.elapsed.total_seconds())
    quartiles = {kind: statistics.quantiles(times, n=4) for kind, times in took.items()}
    prove(f"{path} answers after { ({kind: [f'{at:.4f}' for at in each] for kind, each in quartiles.items()}) } s")
    (low, _, high), (other_low, _, other_high) = quartiles.values()
    assert low <= other_high
    assert other_low <= high
