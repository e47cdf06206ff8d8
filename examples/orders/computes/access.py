"""The rules that say which orders a caller may see."""

from push import Caller


def is_staff(caller: Caller) -> bool:
    """Return whether the caller is staff, which sees every order."""
    return caller.claims.get("role") == "staff"


def may_see_customer(caller: Caller, customer: str) -> bool:
    """Return whether the caller may see the orders of a customer: its own, or any as staff."""
    return caller.principal == customer or is_staff(caller)
