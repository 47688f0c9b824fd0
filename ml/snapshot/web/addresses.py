"""Decides which network addresses may be asked for what a shop names: those of the internet.

What a shop writes must not make this machine ask its own services, or those of its network.
"""

import asyncio
import ipaddress
import os
import socket

from ml.core.errors import UserError

ALLOWED = "VARIANTS_PICTURE_HOSTS"  # the environment variable that names exceptions
# The prefix of NAT64: its addresses end with one of IPv4, to which a gateway leads.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddress(Exception):
    """The host leads to this machine or to a private network."""


async def addresses_of(host: str, port: int) -> list[str]:
    """Looks up the IP addresses of a host that is on the internet, or is named in `ALLOWED`.

    A caller must connect to one of these addresses and not look the host up again, since a second
    answer may be another one.

    Raises:
        PrivateAddress: one of the addresses is not on the internet.
        OSError: the host is not known.
        UnicodeError: the host is no valid name.
        UserError: the environment variable is wrong.
    """
    loop = asyncio.get_running_loop()
    known = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in known))
    if (host, port) not in allowed_hosts() and not all(map(is_public, addresses)):
        raise PrivateAddress
    return addresses


def allowed_hosts() -> set[tuple[str, int]]:
    """Reads the hosts and ports that `ALLOWED` names, such as `127.0.0.1:8080,media.local:80`.

    Raises:
        UserError: an entry is no HOST:PORT.
    """
    hosts = set()
    for entry in filter(None, map(str.strip, os.environ.get(ALLOWED, "").split(","))):
        host, sign, port = entry.rpartition(":")
        if not sign or not host or not port.isdecimal():
            raise UserError(
                f"the environment variable {ALLOWED} names '{entry}': write HOST:PORT, such as "
                "127.0.0.1:8080, and commas between several"
            )
        hosts.add((host.strip("[]").lower(), int(port)))
    return hosts


def is_public(address: str) -> bool:
    """Returns whether an IP address is on the internet, and not private, loopback or link-local."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour
        if one in NAT64:
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner is not None:
            one = inner
    return one.is_global and not one.is_multicast
