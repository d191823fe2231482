"""Calls an address that somebody else named: never one of our own network, and nowhere that it leads on to."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx2

from services.certificates import trusted

SECONDS = 15.0  #: For all of it: whoever answers drop by drop has no more.


class Forbidden(Exception):
    """Nobody is called there."""


def forbidden(url: str, *, private: bool, plain: bool) -> str | None:
    """Why it is no address for a webhook, as far as can be seen. `private`: our own network is allowed; `plain`: so is HTTP."""
    try:
        where = urlsplit(url)
        port = where.port
    except ValueError:
        return "it cannot be read"
    if where.scheme not in (("https", "http") if plain else ("https",)):
        return "it must begin with https://"
    if not where.hostname or port == 0 or where.username or where.password or where.fragment:
        return "it names a host, a path and nothing else"
    try:
        address = ipaddress.ip_address(where.hostname)
    except ValueError:
        return None
    return None if private or is_public(address) else "it is an address of a private network"


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Of the internet: also what stands in an IPv6 address for one of IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None)
        if carried is not None:
            return is_public(carried)
        if not all(is_public(one) for one in (address.sixtofour, *(address.teredo or ())) if one is not None):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


NAT64 = ipaddress.ip_network("64:ff9b::/96")


async def post(url: str, body: bytes, headers: dict[str, str], *, private: bool, plain: bool) -> int:
    """The status of the answer, of which nothing else is read. Raises Forbidden, TimeoutError, httpx2.HTTPError, OSError."""
    if trouble := forbidden(url, private=private, plain=plain):
        raise Forbidden(trouble)
    async with asyncio.timeout(SECONDS):
        there = httpx2.URL(url)
        address = await _address(there.host, there.port or 443, private=private)
        # By the address that was looked at: a name may say another the next time. Its certificate is the name's all the same.
        call = there.copy_with(host=address)
        named = {**headers, "host": there.netloc.decode()}
        async with httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False, verify=trusted()) as client:
            request = client.build_request("POST", call, content=body, headers=named, extensions={"sni_hostname": there.host})
            answer = await client.send(request, stream=True)
            await answer.aclose()
            return answer.status_code


async def _address(host: str, port: int, *, private: bool) -> str:
    """One of the name's, if all may be called. Raises Forbidden, OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    if not addresses or not (private or all(map(is_public, addresses))):
        raise Forbidden("its name leads to an address of a private network")
    return str(addresses[0])
