"""A compute that imports a package of its own and reads an environment variable."""

import os

import iniconfig

from push import compute

CURRENCY = os.environ["CURRENCY"]


@compute
async def price() -> dict:
    """Return the currency of the environment, and a name of the package."""
    return {"currency": CURRENCY, "package": iniconfig.IniConfig.__name__}
