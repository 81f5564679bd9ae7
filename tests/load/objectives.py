"""What a service is held to: `p99 <= 250`, `errors[503 store_unavailable] <= 10`, `wrong = 0`; one a line in a file."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

ALWAYS = ("requests >= 1", "wrong = 0", "errors = 0")
"""If nothing else is said about these."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}
FORM = re.compile(r"\s*(?P<name>\w+(\[[^\]]+\])?)\s*(?P<comparison><=|>=|=)\s*(?P<limit>[-+.\de]+)(?P<percent>%?)\s*")
COUNTS = ("errors", "requests", "faults")
"""Figures that are 0 where nothing of the kind was seen."""


class ObjectiveError(ValueError):
    """It is none."""


@dataclass(frozen=True)
class Objective:
    """A figure and its limit."""

    name: str
    comparison: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read one.

        Raises:
            ObjectiveError: it cannot be read.
        """
        found = FORM.fullmatch(text)
        try:
            assert found
            limit = float(found["limit"]) / (100 if found["percent"] else 1)
        except (AssertionError, ValueError):
            raise ObjectiveError(f"{text!r} is no objective; they look like: p99 <= 250, error_share <= 0.1%") from None
        return cls(found["name"], found["comparison"], limit)

    def value(self, figures: Mapping[str, float]) -> float:
        """What was measured; NaN if it was not."""
        return figures.get(self.name, 0 if self.name.startswith(tuple(f"{n}[" for n in COUNTS)) else float("nan"))

    def met(self, figures: Mapping[str, float]) -> bool:
        """Whether the figure is there and within the limit."""
        value = self.value(figures)
        return not isnan(value) and COMPARISONS[self.comparison](value, self.limit)

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.limit:g}"


def read(texts: Sequence[str]) -> list[Objective]:
    """Those of ALWAYS that nothing else is said about, then those of the texts: one each, or a file of them.

    Raises:
        ObjectiveError: one cannot be read.
    """
    said: list[Objective] = []
    for text in texts:
        lines = Path(text).read_text().splitlines() if Path(text).is_file() else [text]
        bare = [line.partition("#")[0].strip() for line in lines]
        said += [Objective.parse(line) for line in bare if line]
    names = {objective.name for objective in said} | ({"errors"} if any("error" in o.name for o in said) else set())
    return [objective for objective in map(Objective.parse, ALWAYS) if objective.name not in names] + said
