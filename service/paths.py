"""From a path to the template of its route, by which routes are found and counted."""

SESSIONS = "/sessions/"
SESSION = "/sessions/{session_id}"
UI = "/ui"
FILES = "/ui/"
FILE = "/ui/{file}"
PROTOCOL = "/v2"
MODEL = "/v2/models/elman"
VERSIONS = "/v2/models/elman/versions/"
VERSION = "/v2/models/elman/versions/{version}"


def placed(path: str) -> tuple[str, str]:
    """The template, and what stands in the path for its variable, "" if it has none."""
    if path.startswith(SESSIONS):
        return SESSION, path.removeprefix(SESSIONS)
    if path.startswith(FILES):
        return FILE, path.removeprefix(FILES)
    if not is_protocol(path):
        return path, ""
    path = path.removesuffix("/")
    if not path.startswith(VERSIONS):
        return path, ""
    version, slash, rest = path.removeprefix(VERSIONS).partition("/")
    return (VERSION + slash + rest, version) if version else (path, "")


def is_protocol(path: str) -> bool:
    """Whether the Open Inference Protocol speaks here."""
    return path.startswith(PROTOCOL) and path[len(PROTOCOL) :][:1] in ("", "/")
