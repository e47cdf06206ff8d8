"""Checks of webhook targets: URLs when a request is accepted, addresses when a connection is made.

A caller's URL decides where this service sends a request, and the service can reach hosts that its callers can't: its
own host, its cloud's metadata, its network (server-side request forgery). So both names and addresses must be public.
The URL is checked before a request is accepted. Each address that its name resolves to is checked before every
connection, which is made to that exact address (`push.adapters.webhooks`).
"""

from __future__ import annotations

import ipaddress
import re

import idna
import msgspec

from push.errors import ErrorCode, RequestError

MAX_URL_CHARACTERS = 2048
_PORTS = frozenset((443, 8443))
_MAX_HOST_CHARACTERS = 253

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(#.*)?", re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}")
_TARGET = re.compile(r"[!$-;=?-\[\]_a-z~]*")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

_RESERVED_SUFFIXES = tuple(
    f".{name}"
    for name in ("localhost", "local", "localdomain", "internal", "home.arpa", "onion", "invalid", "test", "alt")
)
"""Names reserved for a host or a network (RFC 6761, 6762, 7686, 8375, 9476, and ICANN's for `internal`)."""

_FORBIDDEN_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 791)
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # shared by carriers (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "168.63.129.16/32",  # Azure's host, from within it
            "169.254.0.0/16",  # link-local, and the metadata of most clouds (RFC 3927)
            "172.16.0.0/12",  # private (RFC 1918)
            "192.0.0.0/24",  # protocol assignments (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112 (RFC 7535)
            "192.52.193.0/24",  # AMT relays (RFC 7450)
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.168.0.0/16",  # private (RFC 1918)
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "198.18.0.0/15",  # benchmarking (RFC 2544)
            "198.51.100.0/24",  # documentation (RFC 5737)
            "203.0.113.0/24",  # documentation (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, and broadcast (RFC 1112)
        ),
    )
)

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
"""The global unicast addresses (RFC 4291).

It excludes loopback, unique local, link-local, site-local and multicast addresses, and those that carry an IPv4
address: mapped, compatible and translated ones (`::ffff:0:0/96`, `::/96`, `::ffff:0:0:0/96`) and NAT64 (`64:ff9b::/96`,
`64:ff9b:1::/48`).
"""

_FORBIDDEN_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, with Teredo, ORCHID and benchmarking (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4 (RFC 3056)
            "2620:4f:8000::/48",  # AS112 (RFC 7534)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)


class WebhookUrl(msgspec.Struct, frozen=True):
    """A checked URL: its text as given, and its parts as they are sent.

    `host` is a name in ASCII or an address without brackets; `target` is path and query.
    """

    text: str
    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return the value of the `Host` header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def check_url(url: str, *, allow_private: bool) -> WebhookUrl:
    """Check a URL for webhooks.

    Args:
        url: the URL as the caller gave it.
        allow_private: permits http, any port, and names and addresses that are not public; for development only.

    Raises:
        RequestError: the URL is not allowed; the sentence says why (`invalid_params`).

    """
    if len(url) > MAX_URL_CHARACTERS:
        raise _refused(f"is longer than {MAX_URL_CHARACTERS} characters")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise _refused("is not an https URL")
    scheme, authority, target, fragment = parts.groups()
    is_tls = scheme.lower() == "https"
    if not is_tls and not allow_private:
        raise _refused("is not an https URL")
    if fragment is not None:
        raise _refused("has a fragment")
    if not _TARGET.fullmatch(target):
        raise _refused("has characters that must be percent-encoded")
    host, port = _split(authority)
    checked_port = _check_port(port, is_tls=is_tls, allow_private=allow_private)
    checked_host = _check_host(host, allow_private=allow_private)
    return WebhookUrl(url, is_tls, checked_host, checked_port, target if target.startswith("/") else f"/{target}")


def check_address(address: str) -> None:
    """Check an address, as text, that a name resolved to.

    Raises:
        RequestError: it is not public, embeds another address, or is not an address (`invalid_params`).

    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError as exc:
        raise _refused("does not lead to an IP address") from exc
    is_public = _is_public_ipv4(parsed) if isinstance(parsed, ipaddress.IPv4Address) else _is_public_ipv6(parsed)
    if not is_public:
        raise _refused("leads to an address that is not public")


def _is_public_ipv4(address: ipaddress.IPv4Address) -> bool:
    # Python's list changes with its versions, so this module has its own, and an address must pass both.
    return address.is_global and not any(address in network for network in _FORBIDDEN_IPV4)


def _is_public_ipv6(address: ipaddress.IPv6Address) -> bool:
    return (
        address.scope_id is None
        and address in _PUBLIC_IPV6
        and address.is_global
        and not any(address in network for network in _FORBIDDEN_IPV6)
        and not _is_isatap(address)
    )


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    """Return whether the interface identifier embeds an IPv4 address (RFC 5214, 6.1); two of its bits vary."""
    return (int(address) >> 32) & 0xFCFF_FFFF == 0x0000_5EFE


def _split(authority: str) -> tuple[str, str | None]:
    """Return the host, with brackets if it has them, and the port."""
    if "@" in authority:
        raise _refused("has credentials")
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _refused("has a host that is neither a name nor an address")
        return f"{host}]", rest[1:] if rest else None
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _check_port(port: str | None, *, is_tls: bool, allow_private: bool) -> int:
    if port is None:
        return 443 if is_tls else 80
    number = int(port) if _PORT.fullmatch(port) else 0
    if not 0 < number < 65536:
        raise _refused("has an invalid port")
    if number not in _PORTS and not allow_private:
        raise _refused("has a port other than 443 or 8443")
    return number


def _check_host(host: str, *, allow_private: bool) -> str:
    if host.startswith("["):
        return _check_literal(_parse_ipv6(host[1:-1]), allow_private=allow_private)
    name = _to_ascii(host).removesuffix(".")
    labels = name.split(".")
    if len(name) > _MAX_HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("has a host that is neither a name nor an address")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        return _check_literal(_parse_ipv4(name), allow_private=allow_private)
    if not allow_private and (len(labels) == 1 or f".{name}".endswith(_RESERVED_SUFFIXES)):
        raise _refused("has a name that is not public")
    return name


def _to_ascii(host: str) -> str:
    """Return a host in the form of DNS: browsers' mapping (UTS 46), then IDNA 2008."""
    if host.isascii():
        return host.lower()
    if len(host) > _MAX_HOST_CHARACTERS:
        raise _refused("has a host that is neither a name nor an address")
    try:
        return idna.encode(host, uts46=True).decode().lower()
    except idna.IDNAError as exc:
        raise _refused("has a host that is neither a name nor an address") from exc


def _parse_ipv4(name: str) -> ipaddress.IPv4Address:
    """Parse four decimal numbers; other spellings (`0x7f.1`, `017700000001`, `2130706433`) are refused."""
    try:
        return ipaddress.IPv4Address(name)
    except ValueError as exc:
        raise _refused("has an address that is not written as four decimal numbers") from exc


def _parse_ipv6(text: str) -> ipaddress.IPv6Address:
    if "%" in text:
        raise _refused("has an address with a zone")
    try:
        return ipaddress.IPv6Address(text)
    except ValueError as exc:
        raise _refused("has a host that is neither a name nor an address") from exc


def _check_literal(address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, allow_private: bool) -> str:
    if not allow_private:
        check_address(str(address))
    return str(address)


def _refused(why: str) -> RequestError:
    return RequestError(f"The webhook's URL {why}.", code=ErrorCode.INVALID_PARAMS)
