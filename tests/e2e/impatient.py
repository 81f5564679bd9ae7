"""The service, with less patience for workers that died."""

from service import siblings
from service.api import service

siblings.PATIENCE_SECONDS = 2.0

__all__ = ["service"]
