"""Tags that callers raise by name, for sources whose changes nobody reports: `POST /changes`, and the right to it.

The message in the queue of changes has the same form as the body of the call, so programs with IAM access can send it
themselves. In the queue, `tenant` is required if the scope is `tenant`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Annotated, Any, Literal, assert_never

import msgspec

from push.access.tokens import find_claim
from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.keys import parse_tenant
from push.queues.escaping import escape_for_sqs
from push.tags import ALL_SCOPES, MAX_TAG_BYTES, SOURCE_MARK, TagScope, say_reserved

MAX_TAGS = 100

_TagText = Annotated[str, msgspec.Meta(min_length=1)]


class ChangeRight(enum.StrEnum):
    """The tags that a caller may raise; the values of the token's claim."""

    TENANT = "tenant"
    """Those of the caller's own tenant."""
    ALL = "all"
    """Those of every tenant and of shared results."""


class RaisedTags(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tags whose sources changed, in the scope of one tenant, in the shared scope, or in all scopes."""

    tags: Annotated[tuple[_TagText, ...], msgspec.Meta(min_length=1, max_length=MAX_TAGS)]
    scope: Literal["tenant", "shared", "all"] = "tenant"
    tenant: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def tag_scope(self) -> TagScope:
        """The scope of the tags.

        Raises:
            RequestError: the scope is `tenant`, and the tenant is missing or not a tenant's name.

        """
        match self.scope:
            case "tenant":
                return _parse_tenant(self.tenant)
            case "shared":
                return None
            case "all":
                return ALL_SCOPES
            case _:
                assert_never(self.scope)


_decoder = msgspec.json.Decoder(RaisedTags)


def parse_raised_tags(document: bytes | str) -> RaisedTags:
    """Parse and check raised tags.

    Raises:
        RequestError: the document is not JSON (`invalid_json`), or not of the documented form (`invalid_message`).

    """
    try:
        raised = _decoder.decode(document)
    except msgspec.ValidationError as exc:
        raise RequestError(f"The body does not name changed tags: {exc}.") from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RequestError("The body is not valid JSON.", code=ErrorCode.INVALID_JSON) from exc
    if any(len(tag.encode()) > MAX_TAG_BYTES for tag in raised.tags):
        raise RequestError(f"A tag has at most {MAX_TAG_BYTES} bytes of UTF-8.")
    for tag in raised.tags:
        if tag.startswith(SOURCE_MARK):
            raise RequestError(say_reserved(tag))
    if raised.scope != "tenant" and raised.tenant is not msgspec.UNSET:
        raise RequestError(f"The scope `{raised.scope}` takes no `tenant`. Leave one of them out.")
    return raised


def serialize_raised_tags(raised: RaisedTags) -> str:
    """Return raised tags as a message of the queue of changes."""
    return escape_for_sqs(msgspec.json.encode(raised).decode())


def group_of(raised: RaisedTags) -> str:
    """Return the message group of raised tags: the tenant, or the name of the scope."""
    return raised.scope if raised.tenant is msgspec.UNSET else raised.tenant


def read_change_right(claims: Mapping[str, Any], claim: str) -> ChangeRight:
    """Return the right that a token's claim grants.

    Raises:
        RequestError: it grants none (`forbidden`).

    """
    value = find_claim(claims, claim)
    if not isinstance(value, str) or value not in tuple(ChangeRight):
        sentence = f"Your token does not permit raising tags: its claim `{claim}` must be `tenant` or `all`."
        raise RequestError(sentence, code=ErrorCode.FORBIDDEN)
    return ChangeRight(value)


def permit(raised: RaisedTags, tenant: Tenant, right: ChangeRight) -> RaisedTags:
    """Return the tags that a caller raises, with the tenant, which is the caller's own by default.

    Raises:
        RequestError: the right does not reach so far (`forbidden`), or `tenant` is not a tenant's name.

    """
    if raised.scope == "tenant" and raised.tenant is msgspec.UNSET:
        raised = msgspec.structs.replace(raised, tenant=tenant)
    if raised.tag_scope != tenant and right is not ChangeRight.ALL:
        sentence = "Your token permits raising the tags of your own tenant only."
        raise RequestError(sentence, code=ErrorCode.FORBIDDEN)
    return raised


def _parse_tenant(text: str | msgspec.UnsetType) -> Tenant:
    try:
        return parse_tenant("" if text is msgspec.UNSET else text)
    except RequestError as exc:
        raise RequestError("`tenant` is not 1 to 64 letters, digits, `_`, `.` and `-`.") from exc
