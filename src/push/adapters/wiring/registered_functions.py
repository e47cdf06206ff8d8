"""The functions registered with `@changes_of`, imported in the environment that they expect."""

from __future__ import annotations

from push.adapters.wiring.offered_computes import set_environment
from push.changes.declaring import ChangeFunctions, load_change_functions
from push.settings import OfferSettings


def load_functions(settings: OfferSettings) -> ChangeFunctions:
    """Set the computes' own environment variables, then import the modules of computes, which register functions too.

    Raises:
        SettingsError: the variables are no JSON object of strings, or a module can't be offered.

    """
    set_environment(settings)
    return load_change_functions(settings.modules)
