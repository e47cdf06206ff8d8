"""`pushaside changed`: says that the sources of tags changed."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from pushaside.cli.connecting import (
    add_connection_arguments,
    add_deadline_argument,
    add_http_url_argument,
    make_http_client,
    run_reporting,
)
from pushaside.cli.helping import describe
from pushaside.cli.option_values import checked
from pushaside.cli.output import describe_elapsed, milliseconds, print_document
from pushaside.tokens import check_tenant

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_DESCRIPTION = (
    "Say that the sources of tags changed. Results with one of the tags become stale, and subscribers receive the new "
    "ones. A compute names its tags by `tags=`, `Computed(tags=...)` or `context.depends_on`. The command ends once "
    "the change is durable; to repeat it is harmless. The token needs the claim `changes`: `tenant` for the tags of "
    "its own tenant, `all` for all others."
)
_EXAMPLES = [
    ("pushaside changed rates invoices/ann", "tags of the token's tenant"),
    ("pushaside changed rates --all-tenants", "in every tenant, and in shared results"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("changed", description=_DESCRIPTION)
    parser.add_argument("tags", metavar="TAG", nargs="+", help="a tag, such as invoices/ann; at most 100")
    reach = parser.add_mutually_exclusive_group()
    reach.add_argument(
        "--tenant", metavar="T", type=checked(check_tenant), help="the tenant of the results (default: the token's)"
    )
    reach.add_argument(
        "--shared",
        action="store_const",
        dest="scope",
        const="shared",
        default="tenant",
        help="results of computes of the scope `shared`",
    )
    reach.add_argument(
        "--all-tenants",
        action="store_const",
        dest="scope",
        const="all",
        help="results of every tenant, and shared results",
    )
    add_deadline_argument(parser)
    add_connection_arguments(parser)
    add_http_url_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document, errors too")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""

    async def work() -> None:
        began = time.perf_counter()
        await make_http_client(arguments).changed(
            arguments.tags, scope=arguments.scope, tenant=arguments.tenant, deadline=arguments.deadline
        )
        elapsed = time.perf_counter() - began
        if arguments.json:
            document = {"type": "changed", "tags": arguments.tags, "scope": arguments.scope}
            print_document({**document, "elapsed_ms": milliseconds(elapsed)})
        else:
            tags = " ".join(arguments.tags)
            print(f"accepted · {describe_elapsed(elapsed)} · {tags}", file=sys.stderr, flush=True)

    return run_reporting(arguments, work())
