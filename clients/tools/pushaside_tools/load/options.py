"""The options of `pushaside load`, and the plan made of them."""

from __future__ import annotations

import argparse
import re
import secrets

import orjson

from pushaside.cli.option_values import number_of, seconds, whole_number
from pushaside.protocol.messages import FRAME_BYTES
from pushaside_tools.load.keys import RUN_BITS
from pushaside_tools.load.plan import KEY, MAX_DEADLINE_SECONDS, SYNTHETIC, Plan, TopicPlan, synthetic_params

_ROOM_BYTES = 1024
"""The most bytes of a request besides its params, and of a message besides its text."""
_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.:/-]{0,100}", re.ASCII)
_OF_TOPICS = ("topics", "publish_rate", "publish_size", "publishers", "channel")


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of rates, connections and times."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--rate", metavar="R", type=number_of("requests"), help="send R requests a second")
    model.add_argument(
        "--concurrency", metavar="C", type=whole_number, help="keep C requests under way (default: one per connection)"
    )
    parser.add_argument("--connections", metavar="N", type=whole_number, help="connections for requests (default: 10)")
    parser.add_argument(
        "--connect-rate",
        metavar="R",
        type=number_of("connections"),
        default=500.0,
        help="open R connections a second (default: 500, API Gateway's quota)",
    )
    parser.add_argument("--duration", metavar="S", type=seconds, default=10.0, help="send for S seconds (default: 10)")
    parser.add_argument(
        "--deadline", metavar="S", type=seconds, default=30.0, help="deadline of each request in seconds (default: 30)"
    )
    parser.add_argument(
        "--processes", metavar="P", type=whole_number, default=1, help="send from P processes (default: 1)"
    )


def add_request_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of requests."""
    group = parser.add_argument_group("requests")
    group.add_argument("--compute", metavar="C", default=SYNTHETIC, help="compute to request (default: %(default)s)")
    group.add_argument(
        "--params", metavar="JSON", help="params of each request; {key} stands for the key's number, from 0 on"
    )
    group.add_argument("--size", metavar="BYTES", type=_size, help="size of synthetic's data (default: 500)")
    group.add_argument("--work-ms", metavar="MS", type=_size, help="time that synthetic takes (default: 0)")
    group.add_argument("--keys", metavar="K", type=whole_number, help="request K different keys (default: 1000)")
    group.add_argument(
        "--skew",
        metavar="X",
        type=_skew,
        default=0.0,
        help="Zipf's exponent: 0 is even (default), 1 is Zipf's law",
    )
    cold = group.add_mutually_exclusive_group()
    cold.add_argument("--cold", action="store_true", help="request a new key each time")
    cold.add_argument("--cold-share", metavar="F", type=_share, help="share of requests for new keys, 0 to 1")
    group.add_argument(
        "--may-change",
        action="store_true",
        help="results may change: check them against their etags only",
    )


def add_topic_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of channels."""
    group = parser.add_argument_group(
        "channels",
        "With --subscribers the command publishes messages. It then sends requests only with --rate or --concurrency.",
    )
    group.add_argument("--subscribers", metavar="N", type=whole_number, help="subscribe N connections")
    group.add_argument("--topics", metavar="T", type=whole_number, help="share them among T channels (default: 1)")
    group.add_argument(
        "--publish-rate",
        metavar="R",
        type=number_of("messages"),
        help="messages a second over all channels (default: 1)",
    )
    group.add_argument("--publish-size", metavar="BYTES", type=_size, help="size of each message's text (default: 200)")
    group.add_argument("--publishers", metavar="N", type=whole_number, help="publish over N connections (default: 10)")
    group.add_argument(
        "--channel", metavar="NAME", help="begin channel names with NAME (default: load:); the run's number follows"
    )


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Return the plan that the arguments describe.

    Raises:
        ValueError: The arguments contradict each other. The message is a sentence for the user.

    """
    run = secrets.randbits(RUN_BITS)
    topics = _plan_topics(arguments, run)
    params = _choose_params(arguments)
    _check_requests(arguments, params, is_asking=_is_asking(arguments))
    connections = (arguments.connections or 10) if _is_asking(arguments) else 0
    return Plan(
        url=arguments.url,
        token=arguments.token,
        compute=arguments.compute,
        params=params,
        rate=arguments.rate,
        concurrency=arguments.concurrency or connections,
        connections=connections,
        connect_rate=arguments.connect_rate,
        duration=arguments.duration,
        deadline=arguments.deadline,
        keys=(arguments.keys or 1000) if KEY in params else 1,
        skew=arguments.skew,
        cold_share=1.0 if arguments.cold else arguments.cold_share or 0.0,
        has_seed=arguments.compute == SYNTHETIC and arguments.params is None,
        may_change=arguments.may_change,
        processes=_count_processes(arguments.processes, connections, topics),
        run=run,
        topics=topics,
    )


def _is_asking(arguments: argparse.Namespace) -> bool:
    return not arguments.subscribers or bool(arguments.rate or arguments.concurrency)


def _count_processes(wanted: int, connections: int, topics: TopicPlan | None) -> int:
    """Return the number of processes: no more than there are connections to send over."""
    limits = [connections] if connections else []
    return min([wanted, *limits, *([topics.publishers] if topics else [])])


def _plan_topics(arguments: argparse.Namespace, run: int) -> TopicPlan | None:
    if not arguments.subscribers:
        for name in _OF_TOPICS:
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} has no effect without --subscribers.")
        return None
    topics = arguments.topics or 1
    if topics > arguments.subscribers:
        raise ValueError("There are more --topics than --subscribers: some channels would have no subscriber.")
    size = 200 if arguments.publish_size is None else arguments.publish_size
    if size > FRAME_BYTES - _ROOM_BYTES:
        raise ValueError("--publish-size is too large for one frame of 32 KB.")
    channel = arguments.channel or "load:"
    if not _CHANNEL.fullmatch(channel):
        raise ValueError("--channel must be a channel name (namespace:name) or a namespace (namespace:).")
    return TopicPlan(
        subscribers=arguments.subscribers,
        topics=topics,
        publishers=arguments.publishers or 10,
        rate=arguments.publish_rate or 1.0,
        size=size,
        # A channel of an earlier run has that run's messages.
        channel=f"{channel}{run:x}",
    )


def _check_requests(arguments: argparse.Namespace, params: str, *, is_asking: bool) -> None:
    has_new_keys = arguments.cold or bool(arguments.cold_share)
    if not is_asking and (has_new_keys or arguments.keys or arguments.params or arguments.connections):
        raise ValueError("With --subscribers, options of requests need --rate or --concurrency.")
    if (arguments.cold or arguments.cold_share == 1) and arguments.keys:
        raise ValueError("--cold requests only new keys, so --keys has no effect.")
    if KEY not in params and (has_new_keys or (arguments.keys or 1) > 1):
        raise ValueError(f"--params has no {KEY}, so all requests would be for one key.")
    if arguments.deadline > MAX_DEADLINE_SECONDS:
        raise ValueError(f"--deadline must be at most {MAX_DEADLINE_SECONDS:g} seconds, the service's limit.")


def _choose_params(arguments: argparse.Namespace) -> str:
    is_made = arguments.size is not None or arguments.work_ms is not None
    if is_made and (arguments.compute != SYNTHETIC or arguments.params is not None):
        raise ValueError(f"--size and --work-ms are params of {SYNTHETIC} only; use --params for another compute.")
    if arguments.params is None:
        if arguments.compute != SYNTHETIC:
            return "{}"
        return synthetic_params(500 if arguments.size is None else arguments.size, arguments.work_ms or 0)
    params = str(arguments.params)
    _check_params(params)
    return params


def _check_params(params: str) -> None:
    try:
        value = orjson.loads(params.replace(KEY, "0"))
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"--params is not valid JSON: {exc}.") from exc
    if not isinstance(value, dict):
        raise ValueError("--params must be a JSON object.")  # noqa: TRY004  (a mistake in the command line, not in the program)
    if len(params.encode()) > FRAME_BYTES - _ROOM_BYTES:
        raise ValueError("--params is too long for one frame of 32 KB.")


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)


def _skew(text: str) -> float:
    return _number_between(text, 0, 10)


def _share(text: str) -> float:
    return _number_between(text, 0, 1)


def _number_between(text: str, least: int, most: int) -> float:
    try:
        value = float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from exc
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"must be a number from {least} to {most}")
    return value
