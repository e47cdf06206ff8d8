"""The computes on offer and the functions of changes, imported in the environment that they expect."""

from __future__ import annotations

import os

import msgspec

from push.changes.declaring import ChangeFunctions, load_change_functions
from push.computes import Registry, load_registry
from push.errors import SettingsError
from push.settings import OfferSettings


def load_offer(settings: OfferSettings) -> Registry:
    """Set the computes' own environment variables, then import the computes.

    Raises:
        SettingsError: the variables are no JSON object of strings, or a module can't be offered.

    """
    _set_environment(settings)
    return load_registry(settings.modules)


def load_functions_of_changes(settings: OfferSettings) -> ChangeFunctions:
    """Do as `load_offer`, and return the functions that are registered with `@changes_of`.

    Raises:
        SettingsError: as `load_offer`.

    """
    _set_environment(settings)
    return load_change_functions(settings.modules)


def _set_environment(settings: OfferSettings) -> None:
    if settings.compute_environment:
        try:
            os.environ.update(msgspec.json.decode(settings.compute_environment, type=dict[str, str]))
        except (msgspec.DecodeError, ValueError) as exc:
            raise SettingsError(f"COMPUTE_ENVIRONMENT is not a JSON object of strings: {exc}.") from exc
