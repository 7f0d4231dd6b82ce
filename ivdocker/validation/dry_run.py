"""Prints the commands of a job, for pasting into a shell. Runs no container."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from ivdocker.container.labels import new_name
from ivdocker.container.options import RunOptions
from ivdocker.container.plan import container_spec
from ivdocker.engine import argv
from ivdocker.requests.make.with_body import lacks_body
from ivdocker.requests.model import Request
from ivdocker.requests.read.files import load
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.text import plural
from ivdocker.validation.plan import Checks, Job, Subject, plan


def commands(
    subject: Subject,
    options: RunOptions,
    checks: Checks,
    requests: str | os.PathLike[str] | None,
    synthesize: int,
    seed: int,
) -> Iterator[str]:
    """The commands for each image: pull, run, readiness probe, requests, stop, remove. Raises UsageError."""
    job = plan(subject, options, checks)
    with nullcontext(()) if requests is None else load(requests, checks.ignore_columns) as loaded:
        job = job._replace(requests=loaded, synthesize=synthesize, seed=seed)
        for binary in [*filter(None, [job.reference]), *job.binaries]:
            yield from _commands(job, binary)


def _commands(job: Job, binary: ServingBinary) -> Iterator[str]:
    engine, name = job.engine, new_name()
    spec = container_spec(job.model.location, binary, job.options, engine, name)
    docker = shlex.join(engine.command([]))
    yield from _pull(job, binary.image)
    if job.options.offline:
        yield engine.command_line(argv.network_create(name, {}))
    # Without labels: otherwise the next run would remove the user's container as an orphan.
    yield engine.run_command(spec._replace(labels={}))
    client = binary.MakeClient("127.0.0.1:0")
    address, state_address = (
        f"http://$({docker} port {name} {binary.ports[protocol]}/tcp)" for protocol in ("http", client.state_protocol)
    )
    yield f"curl {state_address}{shlex.quote(client.ready_path())}"
    examples = [Request(body, "example") for body in binary.example_bodies(job.model)[: job.synthesize]]
    yield from _curls(examples, client, address)
    if job.synthesize > len(examples):
        made = plural(job.synthesize - len(examples), "request")
        yield f"# {made} made up for the inputs that the server names, with the seed {job.seed}"
    yield from _curls(job.requests, client, address)
    yield f"{docker} stop {engine.dialect.stop_timeout_flag}={math.ceil(job.options.grace_s or 0)} {name}"
    yield f"{docker} rm --force --volumes {name}"
    if job.options.offline:
        yield engine.command_line(argv.network_remove(name))


def _pull(job: Job, image: str) -> Iterator[str]:
    """The pull, where the pull policy allows one."""
    pull = job.engine.command_line(argv.pull(image, job.options.platform))
    if job.options.pull == "always":
        yield pull
    elif job.options.pull == "missing":
        yield f"{job.engine.command_line(argv.image_inspect(image))} >/dev/null 2>&1 || {pull}"


def _curls(requests: Iterable[Request], client: BaseModelServerClient, address: str) -> Iterator[str]:
    for request in requests:
        if lacks_body(request):
            yield f"# {request.where}: its body is made once the loaded model has reported its inputs"
            continue
        body = request.request_body
        words = ["curl", *client.curl_arguments(body), address + shlex.quote(client.path_of(body))]
        yield " ".join(words + (["<", shlex.quote(request.file)] if request.file else []))
