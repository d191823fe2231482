"""Who is behind an address, as far as anybody can know: for what is counted by address."""

from ipaddress import IPv6Address, ip_address


def household_of(address: str | None) -> str | None:
    """Whom what comes from an address is counted for: in IPv6 the /64 network, for one household has that many addresses.

    None for this machine itself and for an unknown address: then everybody may stand behind it.
    """
    if address is None:
        return None
    try:
        parsed = ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return "unreadable"
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    if parsed.is_loopback:
        return None
    return str(parsed) if parsed.version == 4 else parsed.exploded[:19]
