"""A batch on a GPU is one launch: the step of many streams, recorded once as a CUDA graph, then only replayed.

A step is about a hundred small kernels. Launched one by one they take longer to start than to run, whatever the batch;
as a graph they are started together (docs.pytorch.org/docs/stable/notes/cuda.html, "CUDA Graphs").
"""

from collections.abc import Callable

import torch
from torch import Tensor

LARGEST = 1024
"""Streams of the largest graph; beyond it the work outweighs the launches."""

WARM = 3
"""Runs before a recording, in which libraries get their memory."""

Step = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""slab (N, C), x (B, 1, F), rows (B,), after (B,) -> told (K, B, 1, O), fine (B,); it writes to the slab."""


class Launches:
    """The step over one slab, recorded for 1, 2, 4, ... streams. A batch between them is filled up with its first
    stream, which is then computed again and writes the same again.
    """

    def __init__(self, step: Step, slab: Tensor, features: int) -> None:
        self.slab = slab
        self._recordings = [_Recording(step, slab, 1 << power, features) for power in range(LARGEST.bit_length())]

    def has(self, streams: int, steps: int, level: float | None) -> bool:
        """Whether such a batch was recorded: one step, at the checkpoint's level."""
        return 0 < streams <= LARGEST and steps == 1 and level is None

    def __call__(self, x: Tensor, rows: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, 1, F), rows, after: (B,), all on the CPU -> as `Step`, valid until the next call"""
        streams = len(rows)
        return self._recordings[(streams - 1).bit_length()].replayed(x, torch.stack((rows, after)), streams)


class _Recording:
    """One size of batch: where its arguments are put, and where its results are found."""

    def __init__(self, step: Step, slab: Tensor, streams: int, features: int) -> None:
        self._x = torch.zeros(streams, 1, features, device=slab.device)
        self._rows = torch.zeros(2, streams, dtype=torch.int64, device=slab.device)
        spare, side = slab[:1].clone(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                step(spare, self._x, *self._rows)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._results = step(slab, self._x, *self._rows)

    def replayed(self, x: Tensor, rows: Tensor, streams: int) -> tuple[Tensor, Tensor]:
        """Of the streams that were asked for."""
        spare = len(self._x) - streams
        self._x.copy_(torch.cat((x, x[:1].expand(spare, -1, -1))))
        self._rows.copy_(torch.cat((rows, rows[:, :1].expand(-1, spare)), dim=1))
        self._graph.replay()
        told, fine = self._results
        return told[:, :streams], fine[:streams]
