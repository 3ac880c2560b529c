"""Where a request comes from, as far as one subscriber of a network can be told from another."""

import ipaddress
from typing import Final

IPV6_PREFIX: Final = 64
"""What one subscriber is given, who may take any address of it."""


def network_of(address: str) -> str:
    """Return an IPv4 address as it is, of an IPv6 address the network, and anything else unread."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if known.version == 4 else str(ipaddress.ip_network((known, IPV6_PREFIX), strict=False))
