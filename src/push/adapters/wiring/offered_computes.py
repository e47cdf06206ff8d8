"""The computes on offer, imported in the environment that they expect."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from push.errors import SettingsError
from push.settings import OfferSettings

if TYPE_CHECKING:
    from push.computes import Registry


def load_offer(settings: OfferSettings) -> Registry:
    """Set the computes' own environment variables, then import the computes.

    Raises:
        SettingsError: the variables are no JSON object of strings, or a module can't be offered.

    """
    # Some functions load computes only for some events: fan-out for live results.
    from push.computes import load_registry

    set_environment(settings)
    return load_registry(settings.modules)


def set_environment(settings: OfferSettings) -> None:
    """Set the computes' own environment variables, which their modules may read when they are imported.

    Raises:
        SettingsError: the variables are no JSON object of strings.

    """
    if settings.compute_environment:
        try:
            os.environ.update(msgspec.json.decode(settings.compute_environment, type=dict[str, str]))
        except (msgspec.DecodeError, ValueError) as exc:
            raise SettingsError(f"COMPUTE_ENVIRONMENT is not a JSON object of strings: {exc}.") from exc
