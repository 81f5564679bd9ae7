"""The state of an interrupted training, in a file beside the checkpoint that it was going to write."""

import json
import os
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import Tensor

from training.errors import TrainingError
from training.loop import Loop


class StateFile:
    """Keeps a loop after every epoch; one safetensors file, replaced as a whole, never a pickle.

    purpose: what is trained, how and with which libraries. A state is taken up only for the same purpose: then what
    comes out is, bit by bit, what would have come without the interruption.

    Raises:
        TrainingError: by `recall`, where there is a state to resume and it is of another training, or damaged.
    """

    def __init__(self, path: Path, purpose: dict[str, Any], resume: bool, writes: bool) -> None:
        self._path, self._purpose, self._resume, self._writes = (
            path,
            json.dumps(purpose, sort_keys=True),
            resume,
            writes,
        )

    def recall(self, loop: Loop) -> None:
        """Bring the loop to where it was kept, if it is to resume and there is something to resume from."""
        if not self._resume or not self._path.exists():
            return
        try:
            with safetensors.safe_open(self._path, framework="pt") as file:
                state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 (not a dict)
        except safetensors.SafetensorError as error:
            raise TrainingError(f"{self._path}: damaged ({error}); train again without --resume") from None
        if metadata.get("purpose") != self._purpose:
            raise TrainingError(
                f"{self._path}: of a training with other data, options or libraries; train again without --resume"
            )
        _restore(loop, state, json.loads(metadata["progress"]))

    def keep(self, loop: Loop) -> None:
        """Write the loop's state."""
        if not self._writes:
            return
        progress = {"epoch": loop.epoch, "best_epoch": loop.best_epoch, "best_loss": loop.best_loss}
        metadata = {"purpose": self._purpose, "progress": json.dumps(progress)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}")
        temporary.write_bytes(save(_state(loop), metadata))
        os.replace(temporary, self._path)

    def discard(self) -> None:
        """The training has come to its end."""
        if self._writes:
            self._path.unlink(missing_ok=True)


def _state(loop: Loop) -> dict[str, Tensor]:
    state = {f"network.{name}": tensor for name, tensor in loop.network.state_dict().items()}
    state |= {f"best.{name}": tensor for name, tensor in loop.best.items()}
    for number, memory in loop.optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{number}.{name}": tensor for name, tensor in memory.items()}
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _restore(loop: Loop, state: dict[str, Tensor], progress: dict[str, Any]) -> None:
    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

    loop.epoch, loop.best_epoch, loop.best_loss = progress["epoch"], progress["best_epoch"], progress["best_loss"]
    loop.network.load_state_dict(part("network."))
    loop.best = part("best.")
    optimizer = loop.optimizer.state_dict()
    optimizer["state"] = {number: part(f"optimizer.{number}.") for number in _numbers(part("optimizer."))}
    loop.optimizer.load_state_dict(optimizer)


def _numbers(names: dict[str, Tensor]) -> list[int]:
    return sorted({int(name.split(".")[0]) for name in names})
