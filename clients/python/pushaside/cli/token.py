"""`pushaside token`: makes a token, signed with the secret that the service shares."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pushaside.cli.exits import Exit
from pushaside.cli.helping import describe
from pushaside.cli.option_values import checked, json_object, seconds
from pushaside.tokens import check_principal, check_tenant, sign_token

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_EXPIRES_IN = 3600.0
_DESCRIPTION = (
    "Make a token for PUSHASIDE_TOKEN, --token or an Authorization header, signed (HS256) with the secret that the "
    "service shares, and print it. The secret comes from a file or from the environment, never from the command line, "
    "where other processes could see it."
)
_EXAMPLES = [
    ("export PUSHASIDE_TOKEN=$(pushaside token --secret-file secret --tenant acme)", "for all commands of this shell"),
    ("pushaside token --ready-file ready.json --tenant public --principal ada", "for `pushaside local --auth jwt`"),
    ("pushaside token --secret-env SECRET --tenant acme --principal load --expires-in 300", "for five minutes"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("token", description=_DESCRIPTION)
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--secret-file", metavar="F", type=Path, help="a file that holds the secret")
    secret.add_argument(
        "--ready-file", metavar="F", type=Path, help="the ready file of `pushaside local`, which holds its secret"
    )
    secret.add_argument("--secret-env", metavar="NAME", help="the environment variable that holds the secret")
    parser.add_argument(
        "--tenant",
        metavar="T",
        type=checked(check_tenant),
        required=True,
        help="the tenant whose data the token gives access to",
    )
    parser.add_argument(
        "--principal",
        metavar="P",
        type=checked(check_principal),
        default="cli",
        help="the principal, the user of the token (default: cli)",
    )
    parser.add_argument(
        "--expires-in",
        metavar="S",
        type=seconds,
        default=_EXPIRES_IN,
        help="seconds until the token expires (default: 3600)",
    )
    parser.add_argument("--issuer", metavar="I", default="", help="the issuer, if the service sets JwtIssuer")
    parser.add_argument("--audience", metavar="A", default="", help="the audience, if the service sets JwtAudience")
    parser.add_argument(
        "--claims",
        metavar="JSON",
        type=json_object,
        default={},
        help="an object of further claims, which `authorize` of a compute may read",
    )
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        token = sign_token(
            _read_secret(arguments),
            arguments.tenant,
            arguments.principal,
            time.time() + arguments.expires_in,
            issuer=arguments.issuer,
            audience=arguments.audience,
            claims=arguments.claims,
        )
    except (OSError, ValueError) as exc:
        print(f"pushaside: {exc}", file=sys.stderr)
        return Exit.USAGE
    print(token, flush=True)
    return Exit.OK


def _read_secret(arguments: argparse.Namespace) -> bytes:
    """Read the secret, without the line break that editors add at the end of a file."""
    if arguments.secret_file is not None:
        return bytes(arguments.secret_file.read_bytes().removesuffix(b"\n").removesuffix(b"\r"))
    if arguments.ready_file is not None:
        return _read_ready_file(arguments.ready_file)
    if arguments.secret_env not in os.environ:
        raise ValueError(f"The environment variable {arguments.secret_env} is not set.")
    return os.fsencode(os.environ[arguments.secret_env])


def _read_ready_file(path: Path) -> bytes:
    ready = json.loads(path.read_bytes())
    if not isinstance(ready, dict) or "token_secret" not in ready:
        raise ValueError(f"{path} holds no secret: the service checks no tokens; start it with --auth jwt.")
    return str(ready["token_secret"]).encode()
