"""Names the images on the engine's machine that were perhaps meant, where the image of the run is not to be had."""

from __future__ import annotations

from collections.abc import Sequence

from ivdocker.container import judge
from ivdocker.engine.client import Engine, EngineError
from ivdocker.errors import EnvironmentFailed, Failure, InfraValidationError

_CODES = ("image-not-found", "registry-denied")
_LIST_S = 5.0
_SHOWN = 3


def start_error(raised: BaseException, image: str, engine: Engine) -> InfraValidationError | None:
    """As :func:`judge.start_error`, with such images in the hint. Asks the engine, if the image was not found."""
    error = judge.start_error(raised, image)
    failure = error.failure if error else None
    if failure is None or failure.code not in _CODES:
        return error
    try:
        known = engine.images(timeout_s=min(_LIST_S, engine.timeout_s))
    except EngineError:
        return error
    return EnvironmentFailed(failure=_named(failure, image, known))


def _named(failure: Failure, image: str, known: Sequence[str]) -> Failure:
    found = similar(image, known)
    notes = [f"did you mean {' or '.join(found)}, which is on this machine?"] if found else []
    if not has_tag(image):
        notes.append(f"{image!r} has no tag, which means {image}:latest;")
    return failure._replace(hint=" ".join([*notes, *filter(None, [failure.hint])])) if notes else failure


def has_tag(image: str) -> bool:
    """Whether the name has a tag or a digest. The colon of a registry's port is not one of a tag."""
    return "@" in image or ":" in image.rpartition("/")[2]


def similar(image: str, known: Sequence[str]) -> list[str]:
    """At most three of the known images: those with another tag, or else those with a similar name."""
    wanted = _repository(image)
    found = [name for name in known if _repository(name) == wanted and name != image]
    if not found:
        import difflib

        found = difflib.get_close_matches(image, known, _SHOWN, 0.8)
    return found[:_SHOWN]


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    return name.removesuffix(f":{name.rpartition(':')[2]}") if has_tag(name) else name
