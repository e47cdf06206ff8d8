"""The scopes of tags."""

from __future__ import annotations

from push.computes import Tenant
from push.tags import scope_of


def test_a_tag_of_an_author_belongs_to_the_tenant_of_the_key() -> None:
    assert scope_of("orders", Tenant("shop")) == "shop"
    assert scope_of("orders", None) is None


def test_a_tag_of_a_source_belongs_to_the_shared_scope() -> None:
    assert scope_of("@orders-prod", Tenant("shop")) is None
