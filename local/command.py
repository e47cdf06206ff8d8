"""The subcommand `pushaside local`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from local.options import Options
from pushaside.cli.helping import describe

_DESCRIPTION = (
    "Run the whole service on this machine: deploy a SAM template to an embedded AWS, and serve its WebSocket and HTTP "
    "APIs on one port, with API Gateway's limits. The command needs neither Docker nor an account, and runs until "
    "Ctrl-C. It prints the addresses when everything is up; the page at / shows the service at work."
)
_EXAMPLES = [
    ("pushaside local", "in the folder of an application: its computes and tables, reloaded on save"),
    ("pushaside local --demo", "on port 8080, with data to request"),
    ("pushaside local --port 0 --ready-file ready.json --quiet", "for a test that reads the addresses from the file"),
    ("pushaside local --auth jwt --parameter AllowedOrigins=http://127.0.0.1:8080", "with tokens, as deployed"),
    ("pushaside local --idle-timeout 20 --max-connection 60", "with short connections, to see clients reconnect"),
]


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse has no public type for it
    """Add the subcommand to the command line of `pushaside`."""
    parser = subparsers.add_parser(
        "local",
        help="run a serverless WebSocket stack on this machine",
        description=_DESCRIPTION,
    )
    defaults = Options()
    _add_program(parser, defaults)
    _add_address(parser, defaults)
    _add_services(parser, defaults)
    _add_limits(parser, defaults)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def _add_program(parser: argparse.ArgumentParser, defaults: Options) -> None:
    """Add the options that say what to run."""
    add = parser.add_argument
    add(
        "--template",
        type=Path,
        default=defaults.template,
        metavar="PATH",
        help="SAM template to run (default: template.yaml here, unless there is a pushaside.toml)",
    )
    add(
        "--app",
        type=Path,
        metavar="DIR",
        help="folder of the application to run, with its pushaside.toml (default: this folder, if it has one)",
    )
    add("--demo", action="store_true", help="load demonstration data")
    add(
        "--parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter of the template; may be repeated",
    )


def _add_address(parser: argparse.ArgumentParser, defaults: Options) -> None:
    """Add the options of the address, and of what the command says about itself."""
    add = parser.add_argument
    add("--host", default=defaults.host, help="address to listen on (default: %(default)s)")
    add(
        "--port", type=_port, default=defaults.port, help="port to listen on; 0 takes a free one (default: %(default)s)"
    )
    add(
        "--ready-file",
        type=Path,
        metavar="PATH",
        help="write addresses and process id to this file when everything is up",
    )
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--quiet", action="store_true", help="hide what functions print")
    printed.add_argument(
        "--explain", action="store_true", help="print which results each change makes stale, and the tag that changed"
    )


def _add_services(parser: argparse.ArgumentParser, defaults: Options) -> None:
    """Add the options of the embedded services and of the functions."""
    add = parser.add_argument
    add("--redis-url", metavar="URL", help="use this Redis or Valkey instead of the embedded one")
    add("--aws-endpoint", metavar="URL", help="use this AWS emulator instead of the embedded one")
    add(
        "--workers",
        type=_count,
        default=defaults.workers,
        metavar="N",
        help="warm environments of each function on the request path; 0 starts every environment at its first event, "
        "as AWS does (default: %(default)s)",
    )
    add(
        "--max-environments",
        type=_positive_int,
        default=defaults.max_environments,
        metavar="N",
        help="most environments of one function (default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser, defaults: Options) -> None:
    """Add the options of what the gateway allows to clients."""
    add = parser.add_argument
    add(
        "--auth",
        choices=("none", "jwt"),
        default=defaults.auth,
        help="credentials that clients need to connect (default: AuthMode of pushaside.toml, or none)",
    )
    add(
        "--idle-timeout",
        type=_seconds,
        default=defaults.idle_timeout,
        metavar="SECONDS",
        help="close a socket after so long without a message (default: %(default)g)",
    )
    add(
        "--max-connection",
        type=_seconds,
        default=defaults.max_connection,
        metavar="SECONDS",
        help="close a socket at this age (default: %(default)g)",
    )
    add("--throttle", action="store_true", help="throttle routes as the template declares")


def run_command(arguments: argparse.Namespace) -> int:
    """Run the stack in the foreground and return the exit code."""
    import uvloop  # loading the runtime would slow `pushaside --help`

    from local.foreground import run

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(read_options(arguments)))


def read_options(arguments: argparse.Namespace) -> Options:
    """Return the options for parsed arguments."""
    return Options(
        template=arguments.template,
        app=arguments.app,
        host=arguments.host,
        port=arguments.port,
        demo=arguments.demo,
        quiet=arguments.quiet,
        explain=arguments.explain,
        redis_url=arguments.redis_url,
        aws_endpoint=arguments.aws_endpoint,
        workers=arguments.workers,
        max_environments=arguments.max_environments,
        auth=arguments.auth,
        idle_timeout=arguments.idle_timeout,
        max_connection=arguments.max_connection,
        throttle=arguments.throttle,
        parameters=dict(arguments.parameter),
        ready_file=arguments.ready_file,
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; use 0 to 65535")
    return port


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return seconds


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value
