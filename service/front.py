"""A BentoML service whose middlewares stand before BentoML's (docs/decisions/0006-one-call-for-all-that-wait.md)."""

from typing import Any

import bentoml
import uvicorn.config


class Fronted(bentoml.Service[Any]):  # type: ignore[misc]  # BentoML's types are unknown
    """What a middleware answers itself costs none of BentoML's telemetry, nor the timer and the task it makes for every
    request. A service becomes one by `service.__class__ = Fronted`: BentoML makes its services itself.
    """

    __slots__ = ()

    def to_asgi(self, is_main: bool = True) -> Any:
        """The application, middlewares outermost, and the short way to it (service/lane.py)."""
        uvicorn.config.HTTP_PROTOCOLS["auto"] = "service.lane:Lane"
        chosen = list(self.middlewares)
        self.middlewares.clear()
        try:
            app = super().to_asgi(is_main)
        finally:
            self.middlewares.extend(chosen)
        for middleware, options in chosen:
            app = middleware(app, **options)
        return app
