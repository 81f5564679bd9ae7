"""What a load test can be told, by `python -m tests.load` and by Locust itself: one list for both."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Any

from service.settings import DEFAULT_CHECKPOINT
from tests.load.doors import CEILING, DOORS
from tests.load.faults import FAULTS, RATE
from tests.load.oracle import CPU_TOLERANCE
from tests.load.shapes import SHAPES


def doors(text: str) -> list[str]:
    """Some of DOORS, with commas between."""
    names = text.split(",")
    if unknown := set(names) - DOORS.keys() - CEILING.keys():
        raise ArgumentTypeError(f"{min(unknown)}: no such door; there are {', '.join(DOORS)}")
    return names


def faults(text: str) -> dict[str, float]:
    """`retry=0.02,lost=0.01`, or one rate for all kinds, or 0."""
    try:
        if "=" not in text:
            rates = dict.fromkeys(FAULTS, float(text))
        else:
            rates = {name: float(rate) for name, _, rate in (part.partition("=") for part in text.split(","))}
    except ValueError:
        raise ArgumentTypeError(f"{text}: a rate is a share of the turns, as in retry=0.02") from None
    if unknown := rates.keys() - FAULTS.keys():
        raise ArgumentTypeError(f"{min(unknown)}: no such fault; there are {', '.join(FAULTS)}")
    if min(rates.values()) < 0 or sum(rates.values()) > 1:
        raise ArgumentTypeError("rates of faults are shares: none is below 0, and their sum is up to 1")
    return rates


LOAD: Mapping[str, Mapping[str, Any]] = {
    "--rate": {"type": float, "metavar": "R", "help": "open loop: turns a second; without it users wait for answers"},
    "--even": {"action": "store_true", "help": "open loop: evenly spaced, not at random"},
    "--sessions": {"type": int, "default": 200, "metavar": "N", "help": "open loop: conversations at once"},
    "--seconds": {"type": float, "default": 20, "metavar": "S", "help": "how long"},
    "--shape": {"choices": list(SHAPES), "default": "steady", "help": "how the load goes over that time"},
    "--pace": {"type": float, "default": 10, "metavar": "R", "help": "closed loop: turns a second of one user; 0: all"},
    "--doors": {"type": doors, "default": ",".join(DOORS), "metavar": "NAMES", "help": f"of {', '.join(DOORS)}"},
    "--faults": {"type": faults, "default": str(RATE), "metavar": "RATES", "help": "retry=0.02,… or one for all"},
    "--longest": {"type": int, "metavar": "T", "help": "observations of a stream at most, before it ends"},
    "--checkpoint": {"default": str(DEFAULT_CHECKPOINT), "metavar": "FILE", "help": "what is, or should be, served"},
    "--tolerance": {"type": float, "default": CPU_TOLERANCE, "metavar": "X", "help": "scaled units; a GPU's is 1e-5"},
    "--api-key": {"default": "", "metavar": "KEY", "help": "sent with every request"},
}


def add_to(parser: ArgumentParser) -> None:
    """All of them."""
    for name, described in LOAD.items():
        parser.add_argument(name, **described)


def words(options: Namespace) -> list[str]:
    """The same, as they are said to another program."""
    said: list[str] = []
    for name, described in LOAD.items():
        value = getattr(options, name.removeprefix("--").replace("-", "_"))
        if described.get("action"):
            said += [name] if value else []
        elif value not in (None, ""):
            said += [name, _text(value)]
    return said


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={rate}" for name, rate in value.items())
    return ",".join(value) if isinstance(value, list) else str(value)
