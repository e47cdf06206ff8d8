"""The allowed senders of webhooks and their topics, from the template's parameter `HookSources`.

    {"github": {"scheme": "github", "tenant": "acme", "topic": "github:{repository.full_name}"}}

Braces in a topic hold a path into the body (names joined by dots), or `header:` and one of the scheme's headers. The
value there must be a whole number, or text of the characters that a topic's name permits. The namespace is fixed, so a
sender can't choose it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from push.computes import Tenant
from push.errors import ErrorCode, RequestError, SettingsError
from push.names import Name

_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.:/-]{1,128}")
_VALUE = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_TEMPLATE = re.compile(r"[A-Za-z0-9_.-]{1,64}:(?:[A-Za-z0-9_.:/-]|\{[^{}]{1,128}\}){1,128}")
_PLACE = re.compile(r"\{([^{}]+)\}")
_HEADER_MARK = "header:"


class HookScheme(enum.StrEnum):
    """The signature scheme of a sender."""

    STANDARD = "standard"
    """Standard Webhooks 1.0."""
    GITHUB = "github"
    STRIPE = "stripe"


HEADERS: dict[HookScheme, tuple[str, ...]] = {
    HookScheme.STANDARD: (),
    HookScheme.GITHUB: ("x-github-event",),
    HookScheme.STRIPE: (),
}
"""Headers that carry data of a scheme beside the body. No signature covers them; they are as safe as TLS."""


class UnmappedHookError(RequestError):
    """A verified webhook has no usable value for its topic's name."""

    default_code: ClassVar[ErrorCode] = ErrorCode.INVALID_MESSAGE


class HookSource(msgspec.Struct, frozen=True):
    """A sender of webhooks; `name` is part of the URL that it calls."""

    name: str
    scheme: HookScheme
    tenant: Tenant
    topic: str

    def name_topic(self, body: object, headers: Mapping[str, str]) -> str:
        """Return the topic of a verified webhook; header names are in lower case.

        Raises:
            UnmappedHookError: a path has no usable value, or the topic's name would be too long.

        """
        topic = _PLACE.sub(lambda place: _read(place[1], body, headers), self.topic)
        if _CHANNEL.fullmatch(topic) is None:
            raise UnmappedHookError("The webhook's values make the topic's name too long.")
        return topic


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    scheme: HookScheme
    tenant: Name
    topic: str


_decoder = msgspec.json.Decoder(dict[Name, _Entry])


def parse_hook_sources(text: str) -> dict[str, HookSource]:
    """Parse the sources by name; blank text has none.

    Raises:
        SettingsError: the text does not have the documented form; the sentence says where.

    """
    if not text.strip():
        return {}
    try:
        entries = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise SettingsError(f"HookSources is invalid: {exc}.") from exc
    return {name: _checked(name, entry) for name, entry in entries.items()}


def _checked(name: str, entry: _Entry) -> HookSource:
    if _TEMPLATE.fullmatch(entry.topic) is None:
        raise SettingsError(f"HookSources is invalid: the topic of {name} must be a namespace, a colon and a name.")
    for place in _PLACE.findall(entry.topic):
        header = place.removeprefix(_HEADER_MARK)
        if header != place and header not in HEADERS[entry.scheme]:
            raise SettingsError(f"HookSources is invalid: the scheme of {name} has no header {header!r}.")
    return HookSource(name=name, scheme=entry.scheme, tenant=Tenant(entry.tenant), topic=entry.topic)


def _read(path: str, body: object, headers: Mapping[str, str]) -> str:
    name = path.removeprefix(_HEADER_MARK)
    value = _walk(path, body) if name == path else headers.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
        raise UnmappedHookError(f"The webhook has no value at {path!r} that can be part of a topic's name.")
    return value


def _walk(path: str, body: object) -> object:
    for member in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(member)
    return body
