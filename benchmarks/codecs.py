"""Compare codecs of stored results: bytes and CPU on the demo's results, and the size from which compression pays.

The first table has bytes, and microseconds of CPU to compress and to decompress with a bounded output (median of the
rounds, minimum and maximum). The second reads a result of each size from a real Valkey, plain and compressed, and
shows what decompression costs and what fewer bytes save. The third has the cost of imports.

Codecs whose package (requirements/bench.in) is not installed are named and skipped.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import msgspec
from redis import Redis

from benchmarks._measuring import cut, demo_results, measure_in_turn, print_table, repeat
from tests.servers.valkey import valkey

MAX_BYTES = 8 * 1024 * 1024
"""The largest result that decompression may return."""

SIZES = (512, 1024, 2048, 4096, 16_384, 65_536)


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec. Its `decompress` refuses results larger than `MAX_BYTES`."""

    name: str
    module: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]


def zlib_codec(level: int) -> Codec:
    """Return gzip's algorithm with the shorter header of zlib."""

    def decompress(data: bytes) -> bytes:
        bounded = zlib.decompressobj()
        content = bounded.decompress(data, MAX_BYTES)
        if not bounded.eof:
            raise ValueError("too large")
        return content

    return Codec(f"gzip -{level}", "zlib", lambda data: zlib.compress(data, level), decompress)


def zstd_codec(level: int) -> Codec:
    """Return Zstandard of the standard library. The frame has the size of its content."""
    zstd = importlib.import_module("backports.zstd")

    def decompress(data: bytes) -> bytes:
        size = zstd.get_frame_info(data).decompressed_size
        if size is None or size > MAX_BYTES:
            raise ValueError("too large")
        content: bytes = zstd.decompress(data)
        return content

    return Codec(f"zstd -{level}", "backports.zstd", lambda data: zstd.compress(data, level), decompress)


def zstandard_codec(level: int) -> Codec:
    """Return Zstandard of the package `zstandard`, which reuses its contexts."""
    zstandard = importlib.import_module("zstandard")
    compress = zstandard.ZstdCompressor(level=level).compress
    expand = zstandard.ZstdDecompressor().decompress

    def decompress(data: bytes) -> bytes:
        if not 0 <= zstandard.frame_content_size(data) <= MAX_BYTES:
            raise ValueError("too large")
        content: bytes = expand(data)
        return content

    return Codec(f"zstandard -{level}", "zstandard", compress, decompress)


def lz4_codec() -> Codec:
    """Return LZ4's block format, with the size of its content in four bytes before it."""
    block = importlib.import_module("lz4.block")

    def decompress(data: bytes) -> bytes:
        if int.from_bytes(data[:4], "little") > MAX_BYTES:
            raise ValueError("too large")
        content: bytes = block.decompress(data)
        return content

    return Codec("lz4", "lz4.block", block.compress, decompress)


def installed_codecs() -> list[Codec]:
    """Return the codecs that can be loaded, and print the names of the others."""
    makers: dict[str, Callable[[], Codec]] = {
        "gzip -1": lambda: zlib_codec(1),
        "gzip -6": lambda: zlib_codec(6),
        "zstd -1": lambda: zstd_codec(1),
        "zstd -3": lambda: zstd_codec(3),
        "zstandard -3": lambda: zstandard_codec(3),
        "lz4": lz4_codec,
    }
    codecs = []
    for name, make in makers.items():
        try:
            codecs.append(make())
        except ImportError as exc:
            print(f"{name} skipped: {exc.name} is not installed (requirements/bench.in)\n")
    return codecs


def print_results(codecs: list[Codec], rounds: int) -> None:
    rows = []
    for title, content in demo_results().items():
        packed = [codec.compress(content) for codec in codecs]
        assert all(codec.decompress(data) == content for codec, data in zip(codecs, packed, strict=True))
        compressing = [repeat(partial(codec.compress, content)) for codec in codecs]
        expanding = [repeat(partial(codec.decompress, data)) for codec, data in zip(codecs, packed, strict=True)]
        figures = measure_in_turn([*compressing, *expanding], rounds=rounds)
        for number, codec in enumerate(codecs):
            size = len(packed[number])
            ratio = f"{len(content) / size:.2f}"
            times = figures[number], figures[len(codecs) + number]
            rows.append((f"{title}, {len(content):,} bytes", codec.name, f"{size:,}", ratio, *times))
    print_table(("result", "codec", "bytes", "ratio", "compress, us", "decompress, us"), rows)


def print_threshold(codecs: list[Codec], redis: Redis, rounds: int) -> None:
    """Compare the cost of a hit from Redis to the reader, by size, with and without a codec."""
    results = demo_results()
    days = msgspec.json.encode(msgspec.json.decode(results["a year of temperatures"])["days"])
    rows = []
    for title, source in (("airports", results["airports of California"]), ("temperatures", days)):
        for content in dict.fromkeys(cut(source, size) for size in SIZES):
            packed = {codec.name: codec.compress(content) for codec in codecs}
            redis.mset({"raw": content, **packed})
            reads: list[Callable[[], object]] = [partial(redis.get, "raw")]
            reads += [partial(_read, redis, codec) for codec in codecs]
            raw, *figures = measure_in_turn([repeat(read) for read in reads], rounds=rounds)
            cells = [f"{times} [{len(packed[codec.name]):,}]" for codec, times in zip(codecs, figures, strict=True)]
            rows.append([f"{title}, {len(content):,} bytes", raw, *cells])
    print_table(("read from Redis, us [bytes]", "as it is", *(codec.name for codec in codecs)), rows)


def _read(redis: Redis, codec: Codec) -> bytes:
    return codec.decompress(cast(bytes, redis.get(codec.name)))


def print_imports(codecs: list[Codec], rounds: int) -> None:
    """Time imports in new interpreters, after the modules that are imported anyway."""
    rows = []
    for module in dict.fromkeys(codec.module for codec in codecs):
        code = f"import time, redis; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        times = sorted(
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
            for _ in range(rounds)
        )
        rows.append((module, f"{times[len(times) // 2] * 1000:.1f} ({times[0] * 1000:.1f}-{times[-1] * 1000:.1f})"))
    print_table(("import, after redis", "ms"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    codecs = installed_codecs()
    print_results(codecs, rounds)
    with valkey() as url, Redis.from_url(url, protocol=2) as redis:
        print_threshold(codecs, redis, rounds)
    print_imports(codecs, rounds)


if __name__ == "__main__":
    main()
