"""Everything the service can refuse. The errors know no HTTP; one table at the end maps their codes to it."""

from collections.abc import Mapping
from typing import Any, ClassVar


class ServiceError(Exception):
    """Base: a stable code for programs, one sentence that a person can act on, and details for both."""

    code: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class InvalidRequest(ServiceError):
    """The request itself is wrong; sending it again will not help."""

    code = "invalid_request"


class SessionUnknown(ServiceError):
    """No session has this id."""

    code = "session_unknown"


class SessionExpired(ServiceError):
    """The session was idle for too long, or too old, and its context is gone."""

    code = "session_expired"


class SessionDeleted(ServiceError):
    """The session was deleted and its context is gone."""

    code = "session_deleted"


class SessionExists(ServiceError):
    """A session of this id is alive; it is not overwritten unless its step is named."""

    code = "session_exists"


class StepConflict(ServiceError):
    """The session is at another step than the request supposes."""

    code = "step_conflict"


class ModelChanged(ServiceError):
    """The context was made by another model than the one that is served."""

    code = "model_changed"


class InvalidToken(ServiceError):
    """The token cannot be trusted, or its time is over."""

    code = "invalid_token"


class Unauthorized(ServiceError):
    """An API key is needed."""

    code = "unauthorized"


class StoreUnavailable(ServiceError):
    """The session store could not keep what it was given; nothing was changed."""

    code = "store_unavailable"


class WorkerMissing(ServiceError):
    """A worker has died, or does not answer; the others serve."""

    code = "worker_missing"


class SessionCapacity(ServiceError):
    """There is no room for another session; live ones are never evicted for it."""

    code = "session_capacity"


class NumericalFailure(ServiceError):
    """The network produced a number that is not finite; nothing was committed."""

    code = "numerical_error"


class NotFound(ServiceError):
    """There is no such route."""

    code = "not_found"


class MethodNotAllowed(ServiceError):
    """The route exists, the method does not."""

    code = "method_not_allowed"


class UnsupportedMediaType(ServiceError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"


class TooLarge(ServiceError):
    """The body is over the limit."""

    code = "too_large"


class RequestTimeout(ServiceError):
    """The body did not arrive in time."""

    code = "request_timeout"


class Overloaded(ServiceError):
    """Too many requests are waiting already."""

    code = "overloaded"


class InternalError(ServiceError):
    """A mistake of ours; the log has the details."""

    code = "internal_error"


STATUS: Mapping[str, int] = {
    "invalid_request": 400,
    "invalid_token": 400,
    "unauthorized": 401,
    "session_unknown": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "model_changed": 409,
    "session_exists": 409,
    "step_conflict": 409,
    "session_deleted": 410,
    "session_expired": 410,
    "too_large": 413,
    "unsupported_media_type": 415,
    "overloaded": 429,
    "internal_error": 500,
    "numerical_error": 500,
    "session_capacity": 503,
    "store_unavailable": 503,
    "worker_missing": 503,
}
