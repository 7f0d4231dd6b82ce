"""Chooses the model server to run an image as."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ivdocker.engine.parse import Image
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import BY_USER, Selection, ServingBinary
from ivdocker.servers.records import Routes
from ivdocker.servers.registry import KINDS, SERVERS, ServerEntry, by_image, by_kind

AUTO = "auto"
"""The kind that means: find out which server it is."""

Look = Callable[[], Image | None]
"""Returns the configuration of the local image; None when the image is not on this machine."""


def select_server(
    kind: str,
    image: str,
    model: ModelPath,
    *,
    model_name: str | None = None,
    routes: Routes | None = None,
    look: Look = lambda: None,
) -> ServingBinary:
    """The model server to run ``image`` as.

    ``kind``: the server's name, or ``auto``. For ``auto`` the image's name decides; if that shows no server, the
    image's configuration; if that shows none either, the model's folder. ``model_name``: the model that gets the
    requests; None means the first one in the folder. ``routes``: for ``http`` only; None means the defaults. ``look``
    is called at most once, and only if the kind and the image's name are not enough.

    Raises UsageError when the kind is unknown, when no server or more than one matches, and when the server
    does not take routes.
    """
    look_once = cache(look)
    entry, selection = _by_name(kind, image) or _by_content(image, model, look_once)
    server = entry.binary
    if routes and not server.takes_routes:
        raise UsageError(f"--port, --ready-path and --predict-path are for --server http; {server.kind} has its own")
    names = server.model_names(model)
    name = model_name or names[0]
    models = list(dict.fromkeys([*names, name])) if len(names) > 1 else [name]
    configuration = look_once() if server.needs_configuration(image) else None
    return server(image, name, models, selection._replace(configuration=configuration, routes=routes))


def _by_name(kind: str, image: str) -> tuple[ServerEntry, Selection] | None:
    """The server that the user names, else the one that the image's name shows; None when neither does."""
    if kind != AUTO:
        return by_kind(kind), BY_USER
    entry = by_image(image)
    return (entry, Selection("the image's name says so", is_evident=True)) if entry else None


def _by_content(image: str, model: ModelPath, look: Look) -> tuple[ServerEntry, Selection]:
    """The one server that matches the image's configuration, else the model's folder. Raises UsageError."""
    configuration = look()
    matches = _matches(lambda server: server.match_image(configuration)) if configuration else []
    if not matches and not model.is_uri:
        matches = _matches(lambda server: server.match_folder(model))
    if len(matches) == 1:
        return matches[0]
    if matches:
        why = "more than one fits: " + " and ".join(f"{entry.kind} ({found.reason})" for entry, found in matches)
    elif configuration:
        why = "neither its name nor its configuration nor the model's folder shows it"
    else:
        why = (
            "neither its name nor the model's folder shows it, and the image is not on this machine yet, so its "
            "configuration is not known"
        )
    raise UsageError(f"cannot tell which model server {image!r} is: {why}; choose it with --server {'|'.join(KINDS)}")


def _matches(reason_of: Callable[[type[ServingBinary]], str | None]) -> list[tuple[ServerEntry, Selection]]:
    """The servers for which ``reason_of`` gives a reason."""
    reasons = ((entry, reason_of(entry.binary)) for entry in SERVERS)
    return [(entry, Selection(reason, is_evident=False)) for entry, reason in reasons if reason]
