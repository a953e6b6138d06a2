"""Normalize e-mail addresses, so that each mailbox has one spelling. Pure."""

import unicodedata


class BadAddress(ValueError):
    """No account may have this address; the message tells the person why."""


def normal(address: str) -> str:
    """Return the stored form of the address: lower case, with the domain as in DNS (``xn--…``).

    Raises BadAddress for a quoted local part, which can spell one mailbox in many ways, and for a domain that DNS
    cannot have.
    """
    local, _, domain = address.rpartition("@")
    if '"' in local or "\\" in local:
        raise BadAddress("Write the address without quotation marks.")
    try:
        ascii_domain = unicodedata.normalize("NFKC", domain).encode("idna").decode().rstrip(".")
    except UnicodeError:
        raise BadAddress("Enter a valid email address.") from None
    return f"{local}@{ascii_domain}".lower()


def spellings(address: str) -> set[str]:
    """Return the address as typed, with the domain as in DNS, and with the domain as people read it, in lower case."""
    try:
        as_dns = normal(address)
        local, _, domain = as_dns.rpartition("@")
        as_read = f"{local}@{domain.encode().decode('idna')}"
    except (BadAddress, UnicodeError):
        return {address.lower()}
    return {address.lower(), as_dns, as_read.lower()}
