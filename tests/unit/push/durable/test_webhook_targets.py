"""Webhooks go to public hosts over https, however cleverly a URL is written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.durable.webhook_targets import MAX_URL_CHARACTERS, check_address, check_url
from push.errors import ErrorCode, RequestError

HOSTILE = (
    # not https
    "http://receiver.example/hook",
    "ftp://receiver.example/hook",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "javascript:alert(1)",
    "//receiver.example/hook",
    "receiver.example/hook",
    "https:/receiver.example",
    "https:receiver.example",
    " https://receiver.example/",
    "",
    # loopback, by any name and number
    "https://localhost/",
    "https://LOCALHOST./",
    "https://foo.localhost/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0X7F.1/",
    "https://017700000001/",
    "https://0177.0.0.01/",
    "https://0/",
    "https://0.0.0.0/",
    "https://1.2.3.4.5/",
    "https://receiver.0x/",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    # metadata and the network
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://2852039166/",
    "https://0xA9FEA9FE/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://ip-10-0-0-1.ec2.internal/",
    "https://metadata/",
    "https://printer.local/",
    "https://router.home.arpa/",
    "https://10.0.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[fec0::1]/",
    # one address within another
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::10.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "https://[2606:4700::5efe:127.0.0.1]/",
    "https://[2606:4700::200:5efe:10.0.0.1]/",
    # nobody's addresses
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[4000::1]/",
    # ports
    "https://receiver.example:22/",
    "https://receiver.example:80/",
    "https://receiver.example:6379/",
    "https://receiver.example:0/",
    "https://receiver.example:65979/",
    "https://receiver.example:-443/",
    "https://receiver.example:\uff14\uff14\uff13/",
    "https://receiver.example:/",
    "https://receiver.example:443:22/",
    # what parsers disagree about
    "https://user:password@receiver.example/",
    "https://receiver.example@127.0.0.1/",
    "https://127.0.0.1#@receiver.example/",
    "https://receiver.example\\@127.0.0.1/",
    "https://receiver.example/a\\b",
    "https://receiver.example/#fragment",
    "https://receiver.example/a b",
    "https://receiver.example/a\r\nX-Injected: 1",
    "https://receiver.example/a\tb",
    "https://receiver.example/\x00",
    "https://receiver.example/ü",
    "https://receiver.example\n.attacker.example/",
    "https://%31%32%37.0.0.1/",
    "https://receiver%2eexample/",
    "https://receiver..example/",
    "https://.receiver.example/",
    "https://-receiver.example/",
    "https:///path",
    "https://?query",
    "https://[]/",
    "https://[127.0.0.1]/",
    "https://[v1.fe80::a]/",
    "https://[2606:4700::1/",
    "https://[2606:4700::1]x/",
    "https://2606:4700::1/",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 130}example/",
    f"https://{'ü' * 300}.example/",
    f"https://receiver.example/{'a' * MAX_URL_CHARACTERS}",
)


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(RequestError) as refusal:
        check_url(url, allow_private=False)
    assert refusal.value.code is ErrorCode.INVALID_PARAMS


def test_the_table_of_hostile_urls_is_of_some_size() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 40


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("https://receiver.example", "receiver.example", 443, "/", "receiver.example"),
        ("https://receiver.example?a=1", "receiver.example", 443, "/?a=1", "receiver.example"),
        ("HTTPS://Receiver.Example:8443/a/b?c=%20", "receiver.example", 8443, "/a/b?c=%20", "receiver.example:8443"),
        ("https://receiver.example:443/", "receiver.example", 443, "/", "receiver.example"),
        ("https://receiver.example./", "receiver.example", 443, "/", "receiver.example"),
        ("https://a_b.r4---sn.example/", "a_b.r4---sn.example", 443, "/", "a_b.r4---sn.example"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://faß.example/", "xn--fa-hia.example", 443, "/", "xn--fa-hia.example"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"),
        ("https://[2606:4700:0::1]:8443/", "2606:4700::1", 8443, "/", "[2606:4700::1]:8443"),
        ("https://4you.example/", "4you.example", 443, "/", "4you.example"),
    ],
)
def test_a_public_https_url_is_taken(url: str, host: str, port: int, target: str, authority: str) -> None:
    checked = check_url(url, allow_private=False)
    assert (checked.text, checked.is_tls) == (url, True)
    assert (checked.host, checked.port, checked.target, checked.authority) == (host, port, target, authority)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://127.0.0.1:9000/hook", "127.0.0.1:9000"),
        ("http://localhost/hook", "localhost"),
        ("https://[::1]:9443/", "[::1]:9443"),
        ("http://receiver.test:443/", "receiver.test:443"),
    ],
)
def test_while_developing_a_url_may_lead_anywhere(url: str, authority: str) -> None:
    assert check_url(url, allow_private=True).authority == authority


@pytest.mark.parametrize("url", ["http://a@127.0.0.1/", "http://127.1/", "http://a/#b", "ftp://a/", "http://a/\r\n"])
def test_but_must_be_a_url_all_the_same(url: str) -> None:
    with pytest.raises(RequestError):
        check_url(url, allow_private=True)


@given(st.text(max_size=80))
def test_no_text_after_the_scheme_breaks_the_check(text: str) -> None:
    try:
        checked = check_url(f"https://{text}", allow_private=False)
    except RequestError:
        return
    assert checked.host.isascii()
    assert checked.target.isascii()
    assert not set(checked.host + checked.target) & set(" \r\n\t\0\\#@")


IPV4 = st.ip_addresses(v=4)
PRIVATE_IPV4 = st.sampled_from(
    ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
).flatmap(lambda network: st.ip_addresses(network=network))


def refuses(address: object) -> bool:
    try:
        check_address(str(address))
    except RequestError:
        return True
    return False


@given(PRIVATE_IPV4)
def test_no_private_address_passes(address: ipaddress.IPv4Address) -> None:
    assert refuses(address)


@given(PRIVATE_IPV4)
def test_no_spelling_of_a_private_address_passes(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    first, rest = number >> 24, number & 0xFFFFFF
    octets = address.packed
    spellings = (
        f"{number}",
        f"{number:#x}",
        f"{number:#o}".replace("0o", "0"),
        f"{first}.{rest}",
        f"{first:#x}.{rest}",
        ".".join(f"{octet:#x}" for octet in octets),
        ".".join(f"0{octet:03o}" for octet in octets),
        ".".join(f"{octet:03d}" for octet in octets),
        f"[::ffff:{address}]",
    )
    for spelling in spellings:
        with pytest.raises(RequestError):
            check_url(f"https://{spelling}/", allow_private=False)


@given(IPV4)
def test_no_ipv6_address_that_carries_an_ipv4_address_passes(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    high, low = number >> 16, number & 0xFFFF
    embeddings = (
        f"::ffff:{address}",
        f"::{address}",
        f"::ffff:0:{address}",
        f"64:ff9b::{address}",
        f"64:ff9b:1::{address}",
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:{high:x}:{low:x}::",
        f"2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
        f"2606:4700::5efe:{address}",
        f"2606:4700::200:5efe:{address}",
        f"2606:4700::300:5efe:{address}",
        f"fe80::5efe:{address}",
    )
    assert all(refuses(embedding) for embedding in embeddings)


@given(st.ip_addresses(v=6))
def test_what_passes_is_global_unicast(address: ipaddress.IPv6Address) -> None:
    assert refuses(address) or (address.is_global and address in ipaddress.IPv6Network("2000::/3"))


@pytest.mark.parametrize("address", ["8.8.8.8", "52.94.236.248", "2606:4700::1111", "2a05:d018::1"])
def test_a_public_address_passes(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", ["", "receiver.example", "2606:4700::1%eth0", "8.8.8.8:443"])
def test_what_is_no_plain_address_does_not(address: str) -> None:
    assert refuses(address)
