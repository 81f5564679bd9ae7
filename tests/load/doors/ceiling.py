"""No door of the service: single values for a server that gives everybody the same answer."""

from http import HTTPStatus

from tests.load.doors.conversation import Request
from tests.load.doors.native import SingleValues
from tests.load.oracle import Wrong
from tests.load.wire import Reply


class Ceiling(SingleValues):
    """It makes, sends, reads and compares what SingleValues does, and is content with any numbers."""

    door, weight = "ceiling", 1
    tells_replays = False

    def verify(self, reply: Reply, request: Request) -> int:
        """All the work, and none of the verdict."""
        reply.expect(HTTPStatus.OK)
        ((stream, start),) = request.rows
        answer = reply.answer
        for kind, expected in stream.series.parts.items():
            try:
                self.oracle.check(kind, answer.get(kind), expected[start : start + request.count])
            except Wrong:
                continue
        return request.count

    def finish(self) -> None:
        """Nobody holds anything."""
