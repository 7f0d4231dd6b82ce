"""The commands that a job comes down to, to be pasted into a shell; nothing is run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ivdocker.container.labels import new_name
from ivdocker.container.runner import LocalDockerRunner, engine_for
from ivdocker.requests.make.with_body import lacks_body
from ivdocker.requests.model import Request
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.validation.attempt import Job


def commands(job: Job) -> Iterator[str]:
    """For each image: run, ask for readiness, send the requests, stop, remove. Raises UsageError."""
    engine = engine_for(job.spec.local_docker, job.options.engine)
    for binary in [*filter(None, [job.against]), *job.binaries]:
        name = new_name()
        spec = LocalDockerRunner(job.model.location, binary, job.spec, job.options).plan(name)
        docker = shlex.join(engine.command([]))
        # Without the labels: a container of somebody's own is not an orphan of ours.
        yield engine.run_command(spec._replace(labels={}))
        client = binary.MakeClient("127.0.0.1:0")
        address, state_address = (
            f"http://$({docker} port {name} {binary.ports[protocol]}/tcp)"
            for protocol in ("http", client.state_protocol)
        )
        yield f"curl {state_address}{shlex.quote(client.ready_path())}"
        if job.synthesize:
            yield f"# {job.synthesize} requests made up for the inputs that the server tells, with the seed {job.seed}"
        for request in job.requests:
            yield _curl(request, client, address)
        yield f"{docker} stop {engine.dialect.stop_timeout_flag}={job.options.grace_s} {name}"
        yield f"{docker} rm --force --volumes {name}"


def _curl(request: Request, client: BaseModelServerClient, address: str) -> str:
    if lacks_body(request):
        return f"# {request.where}: its body is made when the loaded model has told its inputs"
    message = request.request_body
    words = ["curl", *client.curl_arguments(message), address + shlex.quote(client.path_of(message))]
    return " ".join(words + (["<", shlex.quote(request.file)] if request.file else []))
