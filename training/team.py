"""One process, or several that share the series among themselves under `torchrun`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

Item = TypeVar("Item")


@dataclass(frozen=True)
class Team:
    """Who this process is among `size`. All members must ask for the same sums in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """Every size-th item, from this member's own on."""
        return list(items[self.rank :: self.size])

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all members."""
        if self.size > 1:
            distributed.all_reduce(tensor := tensor.clone())
        return tensor

    def most(self, number: int) -> int:
        """The largest over all members."""
        if self.size == 1:
            return number
        distributed.all_reduce(tensor := torch.tensor(number), op=distributed.ReduceOp.MAX)
        return int(tensor)

    def gathered(self, item: Item) -> list[Item]:
        """What every member has, by rank."""
        items: list[Item] = [item] * self.size
        if self.size > 1:
            distributed.all_gather_object(items, item)
        return items


@contextmanager
def team() -> Iterator[Team]:
    """The team that `torchrun` has started this process in, or a team of one."""
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
        yield Team()
        return
    distributed.init_process_group("gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
