"""E-mail addresses: one spelling for each mailbox. Pure."""

import unicodedata


class BadAddress(ValueError):
    """No account may have this address, in words for whoever typed it."""


def normal(address: str) -> str:
    """The address as it is stored: lower case, and the domain as DNS has it (``xn--…``).

    Raises BadAddress for a quoted local part, which spells the same mailbox in many ways, and for a domain that DNS
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
    """The address as it was typed, with the domain as DNS has it, and with the domain as people read it."""
    try:
        as_dns = normal(address)
        local, _, domain = as_dns.rpartition("@")
        as_read = f"{local}@{domain.encode().decode('idna')}"
    except (BadAddress, UnicodeError):
        return {address.lower()}
    return {address.lower(), as_dns, as_read.lower()}
