"""What the kernel knows of a checkpoint, flat: an array of sizes and float64 numbers, and one of float32 weights.

Two arrays, because every array that is passed to compiled code costs as much as a layer. The first names of a plan are
whole numbers, stored as such: sizes, then places in the weights, then places in the scratch memory of a stream.
"""

import numpy as np
from numpy.typing import NDArray

from models.calibration import PROBABILITIES
from models.lanes import WIDTH
from models.outlook import AGES, FIELDS, KNOTS, QUANTILE_RATE, SCORES, Outlook, state_size
from models.scaler import Scaler
from models.weights import Weights

Packed = NDArray[np.float32]
Plan = NDArray[np.float64]

(FEATURES, TARGETS, LAYERS, HIDDEN, UNITS, DELAY, TAPS, RELU, RESIDUAL, RELATIVE, OWN, UPPER, TAPPED_SIZE, CONTEXT) = (
    range(14)
)
(READOUT, BIASES, PROBABLE, RATES, SCORED, RISES, TAILS, YOUNG, SMALLEST, SETTLED) = range(14, 24)
(ROOM, TAPPED, LINE, STATISTICS, X, HEARD, Y, UNIT, ERRORS, AGED, SCRATCH) = range(24, 35)
(LAGS, MEANS, SCALES, TENTHS, SHARES, THRESHOLD, UNLIKELY, NEAR, FAR) = range(35, 44)
HEAD = 44

STATE = 3 * WIDTH
"""Of one target's errors in the scratch memory: its fields, then its quantiles, each from the beginning of lanes."""

QUANTILES = WIDTH


def wide(count: int) -> int:
    """In whole lanes."""
    return -(-count // WIDTH) * WIDTH


class Packing:
    """Parts one after the other, each from the beginning of lanes."""

    def __init__(self) -> None:
        self._parts: list[Packed] = []
        self._size = 0

    def add(self, numbers: object) -> int:
        """Where it begins."""
        part = np.asarray(numbers, dtype=np.float32).ravel()
        begin, padded = self._size, np.zeros(wide(part.size), dtype=np.float32)
        padded[: part.size] = part
        self._parts.append(padded)
        self._size += padded.size
        return begin

    def packed(self) -> Packed:
        """All of it, from the beginning of a line of the cache."""
        room = np.zeros(self._size + WIDTH, dtype=np.float32)
        begin = -(room.ctypes.data // room.itemsize) % WIDTH
        np.concatenate(self._parts, out=room[begin : begin + self._size])
        return room[begin : begin + self._size]


def plan_of(weights: Weights, scaler: Scaler, targets: int, outlook: Outlook | None) -> tuple[Plan, Packed]:
    """Without a level of intervals: `with_level` adds one."""
    config, packing, sizes = weights.config, Packing(), np.zeros(HEAD, dtype=np.int64)
    features, units, tapped = config.input_size, wide(config.hidden_size), wide(len(config.taps) * config.input_size)
    sizes[[FEATURES, TARGETS, LAYERS, HIDDEN, UNITS]] = features, targets, config.num_layers, config.hidden_size, units
    sizes[[DELAY, TAPS, RESIDUAL, RELATIVE]] = config.delay, len(config.taps), config.residual, config.per_stream_scale
    sizes[[RELU, TAPPED_SIZE]] = config.nonlinearity == "relu", tapped
    sizes[[OWN, UPPER]] = _fours(config.hidden_size + features), _fours(2 * config.hidden_size)
    sizes[CONTEXT] = config.context_size + (0 if outlook is None else state_size(targets))
    _pack_network(weights, packing, sizes)
    if outlook is not None:
        _pack_outlook(outlook, packing, sizes)
    room = units + max(units, wide(features))
    parts = (
        2 * config.num_layers * room,
        tapped,
        config.delay * features,
        1 + 2 * features,
        features,
        features,
        features,
    )
    places = np.cumsum([wide(part) for part in (*parts, features, targets * STATE, AGES)])
    sizes[ROOM], sizes[TAPPED : SCRATCH + 1] = room, places
    numbers = [np.array(part) for part in (scaler.mean, scaler.scale, scaler.tenths, np.zeros(2 * targets), (0.0, 0.0))]
    sizes[LAGS] = HEAD
    begins = HEAD + len(config.taps) + np.cumsum([0, *(part.size for part in numbers)])
    sizes[MEANS : THRESHOLD + 1] = begins[:-1]
    sizes[UNLIKELY] = sizes[THRESHOLD] + 1
    whole = np.concatenate((sizes, np.array(config.taps, dtype=np.int64))).view(np.float64)
    plan = np.concatenate((whole, *numbers))
    if outlook is not None:
        plan[sizes[[THRESHOLD, UNLIKELY]]] = outlook.threshold, outlook.unlikely
    return plan, packing.packed()


def with_level(plan: Plan, outlook: Outlook, level: float) -> Plan:
    """For intervals of this coverage."""
    copy = plan.copy()
    sizes = copy.view(np.int64)
    shares, near, far = outlook.bound(level)
    sizes[[NEAR, FAR]] = near, far
    copy[sizes[SHARES] : sizes[SHARES] + shares.size] = shares.ravel()
    return copy


def _pack_network(weights: Weights, packing: Packing, sizes: NDArray[np.int64]) -> None:
    """A layer's biases and rows: its own hidden state, then what is below it. Of the readout a row per output."""
    config, arrays, hidden, units = weights.config, weights.arrays, weights.config.hidden_size, int(sizes[UNITS])
    for layer in range(config.num_layers):
        joined = arrays[f"hidden_weights.{layer}"]
        below = len(joined) - hidden
        rows = np.zeros((1 + _fours(len(joined)), units), dtype=np.float32)
        rows[0, :hidden] = arrays[f"hidden_biases.{layer}"] if config.bias else 0
        rows[1 : 1 + len(joined), :hidden] = np.concatenate((joined[below:], joined[:below]))
        packing.add(rows)
    readout = arrays["readout_weight"]  # (P, O)
    rows = np.zeros((config.output_size, units + int(sizes[TAPPED_SIZE])), dtype=np.float32)
    rows[:, :hidden] = readout[:hidden].T
    rows[:, units : units + len(readout) - hidden] = readout[hidden:].T
    sizes[READOUT] = packing.add(rows)
    sizes[BIASES] = packing.add(arrays["readout_bias"] if config.bias else np.zeros(config.output_size))


def _pack_outlook(outlook: Outlook, packing: Packing, sizes: NDArray[np.int64]) -> None:
    """What pads the quantiles does not move: its rate is 0."""
    sizes[PROBABLE] = packing.add(PROBABILITIES)
    sizes[RATES] = packing.add([QUANTILE_RATE] * KNOTS)
    sizes[SCORED] = packing.add(SCORES)
    sizes[RISES] = packing.add(np.diff(SCORES))
    sizes[TAILS] = packing.add(outlook.tail)
    sizes[YOUNG] = packing.add(outlook.settling)
    sizes[SMALLEST] = packing.add(outlook.smallest)
    sizes[SETTLED] = len(outlook.settling) - 1


def _fours(count: int) -> int:
    return -(-count // 4) * 4


assert len(FIELDS) <= WIDTH
assert WIDTH < KNOTS <= 2 * WIDTH
