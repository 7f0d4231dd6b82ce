"""The stand-in's REST API: which model, which version and what of it a path asks for; knows no connections."""

from __future__ import annotations

from half_plus_two import HTML, JSON, ApiError, Servable, error_body, invalid, parse_json

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from typing import Any

VERBS = ("predict", "classify", "regress")


class Answer:
    """``faults``: what of the asked version's faults concerns the connection."""

    def __init__(self, status: int, kind: str, text: str, faults: dict[str, Any] | None = None) -> None:
        self.status, self.kind, self.text, self.faults = status, kind, text, faults or {}


class Models:
    """All versions of all models. ``labels``: versions by model and label."""

    def __init__(self, servables: list[Servable], labels: dict[str, dict[str, int]]) -> None:
        self.servables, self.labels = servables, labels

    @property
    def faults(self) -> dict[str, Any]:
        """What concerns the whole server, whichever version asks for it."""
        return {key: value for servable in self.servables for key, value in servable.faults.items()}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if not path.lower().startswith("/v1/"):
            html = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"
            return Answer(404, HTML, html)
        try:
            return self.route(method, path, body)
        except ApiError as error:
            return Answer(error.status, JSON, error_body(str(error)))

    def route(self, method: str, path: str, body: bytes) -> Answer:
        resource, _, verb = path.partition(":")
        parts = resource.split("/")[2:]
        keywords = [part.lower() for part in parts]
        name = parts[1] if len(parts) > 1 else ""
        metadata = not verb and len(parts) > 2 and keywords[-1] == "metadata"
        rest = parts[2 : len(parts) - metadata]
        known = keywords[0] == "models" and name and "?" not in path and (not rest or is_choice(rest))
        if not known or method != ("POST" if verb else "GET") or verb.lower() not in ("", *VERBS):
            raise invalid(f"Malformed request: {method} {path}")
        is_status = not verb and not metadata
        version = self.version_of(name, [] if is_status and rest[:1] == ["labels"] else rest)
        if is_status:
            return self.status(name, version)
        if metadata:
            return Answer(200, JSON, self.find(name, version).metadata())
        if verb.lower() != "predict":
            raise invalid(f"Expected signature method_name to be tensorflow/serving/{verb.lower()}")
        return self.predict(name, version, body)

    def version_of(self, name: str, rest: list[str]) -> int | None:
        if not rest:
            return None
        if rest[0].lower() == "versions":
            return int(rest[1])
        version = self.labels.get(name, {}).get(rest[1])
        if version is None:
            raise invalid(f"Unrecognized servable version label: {rest[1]}")
        return version

    def status(self, name: str, version: int | None) -> Answer:
        if self.faults.get("status_html"):
            return Answer(200, HTML, "<html><body>It works!</body></html>")
        found = [each for each in self.servables if each.name == name and version in (None, each.version)]
        if not found:
            what = "any versions" if version is None else f"version {version}"
            raise ApiError("NOT_FOUND", f"Could not find {what} of model {name}")
        versions = "".join(servable.status() for servable in found).replace("  }\n  {", "  },\n  {")
        return Answer(200, JSON, '{\n "model_version_status": [\n' + versions + " ]\n}\n")

    def find(self, name: str, version: int | None) -> Servable:
        """The newest version that is there, or this one."""
        for servable in self.servables:
            if servable.name == name and version in (None, servable.version) and servable.state == "AVAILABLE":
                return servable
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise ApiError("NOT_FOUND", f"Servable not found for request: {wanted}")

    def predict(self, name: str, version: int | None, body: bytes) -> Answer:
        try:
            asked = self.find(name, version)
        except ApiError:
            parse_json(body)  # the original finds fault with that first
            raise
        try:
            status, kind, text = asked.predict(body)
            return Answer(status, kind, text, asked.faults)
        except ApiError as error:
            return Answer(error.status, JSON, error_body(str(error)), asked.faults)


def is_choice(rest: list[str]) -> bool:
    """Whether this part of a path chooses a version."""
    if len(rest) != 2:
        return False
    keyword, choice = rest[0].lower(), rest[1]
    return choice.isdigit() if keyword == "versions" else keyword == "labels" and bool(choice)
