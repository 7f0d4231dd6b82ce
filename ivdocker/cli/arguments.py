"""Declares every option of every command once. ``dest`` is the name of the field or parameter that the option sets."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ivdocker.cli.parser import Parser
from ivdocker.servers.registry import KINDS
from ivdocker.text import docker_cpus, docker_size, parse_age, parse_size

R = TypeVar("R", bound=tuple[Any, ...])


class Command(NamedTuple):
    """``summary``: the line in ``ivdocker --help``. ``description``: the text in the command's own help."""

    summary: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]


def parser_of(name: str) -> Parser:
    """The parser of one command's options."""
    parser = Parser(prog=f"ivdocker {name}", description=COMMANDS[name].description)
    COMMANDS[name].add_options(parser)
    return parser


def record_from(record: type[R], arguments: argparse.Namespace) -> R:
    """Fill a record from the options that have the names of its fields."""
    fields = getattr(record, "_fields")  # noqa: B009  (it is a NamedTuple)
    return record(**{name: value for name, value in vars(arguments).items() if name in fields})


def _validate(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    add = parser.add_argument
    add("--image", action="append", default=[], dest="images", metavar="IMAGE", help="a server image; may be repeated")
    add("--spec", type=_text_of_file, metavar="FILE", help="a TFX ServingSpec as JSON, instead of --image")
    add(
        "--requests", metavar="FILE|DIR|-", help="requests to send: JSON Lines, JSON, TFRecord, .npz, .csv, images, ..."
    )
    add(
        "--synthesize",
        nargs="?",
        type=_count,
        const=3,
        default=0,
        metavar="N",
        help="send N requests made up for the model's inputs (default 3)",
    )
    add("--seed", type=int, default=0, metavar="S", help="random seed for --synthesize (default 0)")
    add("--deterministic", action="store_true", help="send each request twice; the answers must be equal")
    add("--record", metavar="FILE", help="write requests and answers as JSON Lines, if the model is blessed")
    add("--warmup", metavar="DIR", help="copy a blessed SavedModel to DIR, with these requests as its warm-up")
    add("--against", metavar="IMAGE", help="run this image first; the others must give the same answers")
    _add_answers(parser)
    _add_budgets(parser)
    add("--jobs", type=int, default=1, metavar="N", help="images validated at the same time (default 1)")
    add("--tries", type=int, default=1, metavar="N", help="how often to try, if the failure may go away (default 1)")
    add("--json", metavar="FILE|-", help="write the report as JSON")
    add("--blessing", metavar="DIR", help="write INFRA_BLESSED or INFRA_NOT_BLESSED to DIR")
    add("--evidence", metavar="DIR", help="save logs, events, states and requests in DIR during the run")
    add("--keep", action="store_true", help="do not remove a container that failed, and say how to look into it")
    add("--graceful-stop", action="store_true", help="SIGTERM must end the server with 0 or 143, without docker's init")
    add("--find-memory", action="store_true", help="find the smallest --memory under which it loads and answers")
    add("--dry-run", action="store_true", help="print the commands and do nothing")
    _add_container(parser)
    _add_verbosity(parser, "show requests and answers too", "show only the verdict, with its cause in one line")


def _serve(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--image", required=True, metavar="IMAGE", help="the server image")
    _add_container(parser)
    _add_verbosity(parser, "show the engine's messages too", "show only the curl line, and errors")


def _logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    _add_engine(parser)


def _prune(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dry-run", action="store_true", help="only print what would be removed")
    add(
        "--older-than",
        type=_typed(parse_age),
        metavar="TIME",
        help="only those older than TIME, such as 90s, 30m, 2h, 7d",
    )
    add("--all", action="store_true", help="also those left by --keep, and those whose owner is on another machine")
    _add_engine(parser)


def _add_engine(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--engine", default="docker", metavar="docker|podman|PATH", help="the command line to use")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="the model's folder, or a URI that the server opens (gs://..., s3://...)"
    )
    parser.add_argument("--server", default="auto", metavar="KIND", help=f"auto (default), {', '.join(KINDS)}")
    group = parser.add_argument_group("--server http", "port and paths, for a server of no other kind")
    group.add_argument("--port", type=_port, metavar="PORT", help="the server's port in the container (default 8080)")
    group.add_argument(
        "--ready-path", type=_path, metavar="PATH", help="answers 2xx once the model is loaded (default /health)"
    )
    group.add_argument("--predict-path", type=_path, metavar="PATH", help="accepts requests (default /predict)")
    parser.add_argument("--model-name", metavar="NAME", help="the name to serve it by (default: from its folder)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=300.0,
        dest="timeout_s",
        metavar="SECONDS",
        help="how long loading may take (default 300)",
    )


def _add_container(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("container", "how docker runs the server; values and units as for docker run")
    _add_engine(group)
    add = group.add_argument
    add("--pull", choices=("missing", "always", "never"), default="missing", help="default: missing")
    add("--env", action=_Variables, default={}, metavar="K[=V]", help="a variable; K alone: from this environment")
    add("--env-file", action="append", type=_file, default=[], dest="env_files", metavar="FILE")
    add("--memory", type=_typed(docker_size), metavar="SIZE", help="such as 2g or 2Gi; without extra swap")
    add("--cpus", type=_typed(docker_cpus), metavar="N", help="such as 2, 1.5 or 500m")
    add("--gpus", metavar="all|N")
    add("--shm-size", type=_typed(docker_size), metavar="SIZE", help="such as 1g or 1Gi")
    add("--platform", metavar="OS/ARCH")
    add("--user", metavar="UID[:GID]")
    add("--network", metavar="NETWORK")
    add("--hardened", action="store_true", help="no capabilities, read-only root, limited number of processes")
    add("--init", action="store_true", default=None, help="production has docker's init, or another, as process 1 too")
    add(
        "--no-init",
        dest="init",
        action="store_false",
        default=None,
        help="without docker's init, as an image needs whose program must be process 1",
    )
    add("--offline", action="store_true", help="no network access from the container: it can download nothing")
    add(
        "--grace",
        type=float,
        dest="grace_s",
        metavar="SECONDS",
        help="time from SIGTERM to SIGKILL (default 10 with --graceful-stop, else 0.5)",
    )
    add(
        "--docker-arg",
        action="append",
        default=[],
        dest="docker_args",
        metavar="ARG",
        help="another flag of docker run: --docker-arg=--cpuset-cpus=0",
    )


def _add_answers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("requests and answers", "how requests are read and sent, and answers compared")
    add = group.add_argument
    add("--rtol", type=float, metavar="R", help="relative tolerance, for requests that have none (default 1e-5)")
    add("--atol", type=float, metavar="A", help="absolute tolerance, for requests that have none (default 1e-8)")
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="PATH",
        help="a JSON path of answers that is not compared: $.id",
    )
    add("--ignore-columns", action="extend", type=_names, default=[], metavar="A,B", help="CSV columns not to send")
    add(
        "--request-timeout",
        type=float,
        default=60.0,
        dest="request_timeout_s",
        metavar="SECONDS",
        help="how long an answer may take (default 60)",
    )
    add(
        "--max-response-size",
        type=_typed(parse_size),
        default=16 << 20,
        dest="max_response_bytes",
        metavar="SIZE",
        help="the largest answer that is read (default 16m)",
    )


def _add_budgets(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("budgets", "limits; a run that exceeds one is not blessed")
    add = group.add_argument
    add("--repeat", type=int, default=1, metavar="N", help="send all requests N times (default 1)")
    add("--concurrency", type=int, default=1, metavar="N", help="send N requests at the same time (default 1)")
    add(
        "--max-load-seconds",
        type=float,
        dest="load_seconds",
        metavar="S",
        help="from the container's start until the model is ready",
    )
    add("--max-first-ms", type=float, dest="first_ms", metavar="MS", help="latency of the first answer")
    for rank in ("p50", "p95", "p99"):
        add(
            f"--max-{rank}-ms",
            type=float,
            dest=f"{rank}_ms",
            metavar="MS",
            help=f"the {rank[1:]}th percentile of the latency",
        )
    add(
        "--max-error-rate",
        type=float,
        dest="error_rate",
        metavar="R",
        help="share of requests that may fail, 0 to 1 (default 0)",
    )
    add(
        "--max-memory",
        type=_typed(parse_size),
        dest="memory_bytes",
        metavar="SIZE",
        help="peak memory of the server, such as 2g or 2Gi",
    )
    _add_log_errors(add)


def _add_log_errors(add: Callable[..., object]) -> None:
    add("--max-log-errors", type=int, dest="log_errors", metavar="N", help="errors in the server's log")
    add(
        "--ignore-log-error",
        action="append",
        default=[],
        dest="ignore_log_errors",
        metavar="REGEX",
        help="do not count an error with a line that matches; may be repeated",
    )


def _add_verbosity(parser: argparse.ArgumentParser, verbose: str, quiet: str) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-v", "--verbose", action="store_true", help=verbose)
    group.add_argument("-q", "--quiet", action="store_true", help=quiet)


def _typed(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Keep the text of a ValueError, which argparse would drop."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        why = f"{text!r} is not a number; put MODEL before it, or write --synthesize=3"
        raise argparse.ArgumentTypeError(why) from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text}: a port is a number from 1 to 65535")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r}: a path begins with /, as in /{text}")
    return text


def _file(text: str) -> str:
    if not os.path.isfile(text):
        raise argparse.ArgumentTypeError(f"{text!r}: no such file")
    return text


def _text_of_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"cannot read {path!r}: {error}") from None


class _Variables(argparse.Action):
    """Collects ``NAME=VALUE``, or ``NAME`` with its value from the environment, in one dict."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:  # noqa: ARG002
        name, equals, value = values.partition("=")
        if not name:
            raise argparse.ArgumentError(self, f"{values!r}: give NAME=VALUE, or NAME to take it from the environment")
        if not equals and name not in os.environ:
            raise argparse.ArgumentError(self, f"{name} is not set in the environment; set it, or give {name}=VALUE")
        variables = {**getattr(namespace, self.dest), name: value if equals else os.environ[name]}
        setattr(namespace, self.dest, variables)


COMMANDS = {
    "validate": Command(
        "run MODEL on each IMAGE, load it, send it requests, and give the verdict",
        "Run MODEL on each IMAGE, wait until the model is ready, send it requests, and give a verdict with a cause.",
        _validate,
    ),
    "serve": Command(
        "run MODEL on IMAGE until Ctrl-C",
        "Run MODEL on IMAGE until Ctrl-C, and print a curl line that sends it a request.",
        _serve,
    ),
    "doctor": Command(
        "check whether this machine can do the job",
        "Check whether this machine can do the job; each check that fails comes with its remedy.",
        _add_engine,
    ),
    "ps": Command(
        "list ivdocker's containers",
        "List ivdocker's containers, running or not, and whether their owner still lives.",
        _add_engine,
    ),
    "logs": Command(
        "show the log of one of ivdocker's containers",
        "Show the log of one of ivdocker's containers (ivdocker ps lists the names).",
        _logs,
    ),
    "prune": Command(
        "remove ivdocker's containers and networks whose owner is gone",
        "Remove ivdocker's containers and networks whose owner is gone. Those whose owner lives, and those that"
        " ivdocker did not make, are not touched; those that --keep left are named, and removed with --all.",
        _prune,
    ),
}
