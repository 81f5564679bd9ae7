"""From settings to an engine that serves, or to one line that says why not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from models import Checkpoint, ModelError, Predictor
from service.checkpoints import open_checkpoint
from service.engine import Engine
from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.sessions import Limits, check_store, open_store
from service.settings import Settings


def open_engine(settings: Settings) -> Engine:
    """Load the checkpoint, prove it, take it to its device, and open the session store.

    Raises:
        SystemExit: it cannot be served; one line says why.
    """
    metrics = Metrics()
    metrics.alarm_rate.set(settings.alarm_rate)
    with _refusals():
        checkpoint, predictor = _load(settings)
        store = open_store(
            settings.session_store.get_secret_value(),
            settings.snapshot,
            _limits(settings),
            metrics.expired.inc,
            settings.store_timeout_seconds,
        )
    return Engine(checkpoint, predictor, store, settings, metrics)


def check(settings: Settings) -> None:
    """Try what `open_engine` does, and leave everything as it was.

    Raises:
        SystemExit: it cannot be served; one line says why.
    """
    with _refusals():
        _load(settings)
        check_store(settings.session_store.get_secret_value(), settings.snapshot, settings.store_timeout_seconds)


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be opened ends the start with one line."""
    try:
        yield
    except (ModelError, StoreUnavailable) as error:
        raise SystemExit(f"elman: {error}") from None
    except OSError as error:
        raise SystemExit(f"elman: {error.filename}: {error.strerror}") from None


def _load(settings: Settings) -> tuple[Checkpoint, Predictor]:
    checkpoint = open_checkpoint(settings.checkpoint)
    _check_history(checkpoint, settings.session_history)
    adapt = settings.adapt == "rls"
    predictor = checkpoint.predictor(settings.device, alarm_rate=settings.alarm_rate, adapt=adapt)
    if torch := sys.modules.get("torch"):  # only where the step needs it
        torch.set_num_threads(1)  # matrices are small: threads would only wait for each other
    return checkpoint, predictor


def _limits(settings: Settings) -> Limits:
    return Limits(
        idle_seconds=settings.session_idle_seconds,
        max_age_seconds=settings.session_max_age_seconds,
        max_sessions=settings.max_sessions,
        max_bytes=settings.max_session_bytes,
        gone_seconds=settings.gone_seconds,
        max_gone=settings.max_gone,
    )


def _check_history(checkpoint: Checkpoint, history: int) -> None:
    if not history:
        return
    needed = "more than was ever measured" if checkpoint.warmup is None else str(checkpoint.warmup)
    if checkpoint.warmup is None or history < checkpoint.warmup:
        raise SystemExit(
            f"elman: ELMAN_SESSION_HISTORY={history} is too short: this network needs {needed} observations to forget "
            "its start, and a context rebuilt from fewer would be another one"
        )
