"""Finds before the start what would fail after it: links that lead out of the model's folder, requests that do not fit
the inputs named in it."""

from __future__ import annotations

from ivdocker.errors import UsageError
from ivdocker.servers.base import ServingBinary
from ivdocker.validation import model_folder
from ivdocker.validation.plan import Job


def check_before_start(job: Job) -> None:
    """Warn of what the server will not see. Raises UsageError for the first request that cannot be made for the model,
    as far as its folder tells.

    Also raises UsageError when a package that reads the folder is needed and not installed.
    """
    model_folder.warn_of_links(job.model, job.options)
    if not job.has_requests:
        return
    for binary in {each.kind: each for each in [*filter(None, [job.reference]), *job.binaries]}.values():
        _check_written(job, binary)
        if job.synthesize > len(binary.example_bodies(job.model)):
            binary.inputs(job.model)


def _check_written(job: Job, binary: ServingBinary) -> None:
    from ivdocker.requests.make.with_body import lacks_body, with_body

    client, inputs = binary.MakeClient("127.0.0.1:0"), None
    for request in job.requests:
        if not lacks_body(request) or request.model_name:
            continue
        inputs = binary.inputs(job.model) if inputs is None else inputs
        if not inputs:
            return
        try:
            with_body(request, client, inputs)
        except UsageError as error:
            raise UsageError(f"{request.where}: {error}") from None
