"""POST /forecast: looking ahead from a session, which changes nothing."""

import random
from http import HTTPStatus
from typing import Any

from tests.load.doors.native import SingleValues
from tests.load.wire import Reply

LONGEST = 12
LEVELS = (0.5, 0.8, 0.9)
SHARE = 0.5
"""Of the turns; in the others the stream goes on."""


class Forecasts(SingleValues):
    """A stream whose client often asks what comes next."""

    door, weight = "forecast", 1

    def act(self) -> None:
        """Look ahead, or go on."""
        if self.mine.step and random.random() < SHARE:
            self.look()
        else:
            super().act()

    def look(self) -> None:
        """As far as a random horizon, with a random level."""
        stream, horizon, level = self.mine, random.randint(1, LONGEST), random.choice(LEVELS)

        def judge(reply: Reply) -> None:
            reply.expect(HTTPStatus.OK)
            answer = reply.answer
            self.oracle.check_forecast(answer, stream.series, stream.step, horizon, level)
            stream.check_place(answer, stream.step)
            self.wire.tally.predicted(horizon)

        body: dict[str, Any] = {"session_id": stream.session_id, "horizon": horizon}
        if self.oracle.predictor.calibration is not None:
            body["level"] = level
        self.ask(self.door, "/forecast", body, judge=judge)

    def send(self, *arguments: Any, **options: Any) -> None:
        """What is no forecast is counted where it belongs."""
        options["door"] = options.get("door") or SingleValues.door
        super().send(*arguments, **options)
