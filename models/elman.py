"""The Elman network: one pure step, and two sequence forwards that are tested equal to it.

Axes, named once: B streams, T time, F input features, O outputs, H hidden units, L layers, D delay, P readout features,
C context. The context of a stream is flat: the hidden states of the L layers, then the last D inputs, newest first,
then the running count, mean and scale, `(B, L*H + D*F + 1 + 2*F)`; the last two only where the configuration has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import running
from models.config import ElmanConfig
from models.weights import Weights


@dataclass(frozen=True)
class Reading:
    """What the readout reads, and how what it says becomes a prediction: y = origin + scale * (features V + c).

    features: (..., P); origin: (..., O), or None for 0; scale: (..., O), or None for 1.
    """

    features: Tensor
    origin: Tensor | None
    scale: Tensor | None

    def prediction(self, read: Tensor) -> Tensor:
        """From what the readout says. (..., O) -> (..., O)"""
        y = read if self.scale is None else self.scale * read
        return y if self.origin is None else self.origin + y

    def target(self, y: Tensor) -> Tensor:
        """The inverse: what the readout ought to say. (..., O) -> (..., O); not finite where the scale is 0."""
        change = y if self.origin is None else y - self.origin
        return change if self.scale is None else change / self.scale


class Elman(nn.Module):
    """Simple recurrent network (J. Elman, "Finding structure in time", Cognitive Science 14, 1990).

    In every layer the input is joined with the layer's context, the hidden state of the step before:

        h_t = f([x_t, h_{t-1}] W + b)             W: (F + H, H), f: tanh or relu
        y_t = [h_t, x_t, x_{t-1}, ...] V + c      V: (P, O), on the uppermost layer and the inputs at the taps' lags

    With `residual`, y_t is the change from x_t. With `per_stream_scale`, x and y are in units of the stream's own
    running mean and scale. Weights are drawn from U(-1/sqrt(H), 1/sqrt(H)) by `generator`, so that a seed fixes them.
    """

    def __init__(self, config: ElmanConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.activation = {"tanh": torch.tanh, "relu": torch.relu}[config.nonlinearity]
        tensors = {name: nn.Parameter(torch.empty(shape)) for name, shape in config.shapes().items()}
        bound = 1 / sqrt(config.hidden_size)
        for parameter in tensors.values():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
        layers = range(config.num_layers)
        self.hidden_weights = nn.ParameterList(tensors[f"hidden_weights.{layer}"] for layer in layers)
        self.readout_weight = tensors["readout_weight"]
        if config.bias:
            self.hidden_biases = nn.ParameterList(tensors[f"hidden_biases.{layer}"] for layer in layers)
            self.readout_bias = tensors["readout_bias"]

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One observation. Pure: the caller owns the context.

        x: (B, F), h: (B, C) -> y: (B, O), h: (B, C)
        """
        h = self.advance(x, h)
        return self.peek(h), h

    def advance(self, x: Tensor, h: Tensor) -> Tensor:
        """The context after one observation. x: (B, F), h: (B, C) -> h: (B, C)"""
        hidden, delayed, statistics = h.split_with_sizes(self.config.context_sizes, dim=1)
        below, context = x, []
        if self.config.per_stream_scale:
            first = statistics[:, :1] == 0
            delayed = torch.where(
                first, x.repeat(1, self.config.delay), delayed
            )  # before its start a stream stood still
            statistics = running.update(x, statistics)
            below = running.seen(x, statistics)
        for layer, before in enumerate(hidden.chunk(self.config.num_layers, dim=1)):
            joined = torch.cat((below, before), dim=1)  # (B, F + H), above the first layer (B, H + H)
            below = self.activation(_affine(joined, self.hidden_weights[layer], self._bias(layer)))  # (B, H)
            context.append(below)
        if self.config.delay:
            context += [x, delayed[:, : -self.config.input_size]]
        return torch.cat((*context, statistics), dim=1)

    def peek(self, h: Tensor) -> Tensor:
        """The prediction that a context already holds. h: (B, C) -> y: (B, O)"""
        reading = self.read(h)
        return reading.prediction(self.say(reading.features))

    def read(self, h: Tensor) -> Reading:
        """What the readout reads in a context. h: (B, C) -> features (B, P)"""
        hidden, delayed, statistics = h.split_with_sizes(self.config.context_sizes, dim=1)
        lines = delayed.reshape(len(h), self.config.delay, self.config.input_size).unbind(dim=1)
        return self._reading(hidden[:, -self.config.hidden_size :], lines, statistics)

    def say(self, features: Tensor) -> Tensor:
        """What the readout says to features. (..., P) -> (..., O)"""
        return _affine(features, self.readout_weight, self.readout_bias if self.config.bias else None)

    def unit(self, h: Tensor) -> Tensor:
        """In which a stream's errors are counted: its running scale, 0 before it has one, or 1. h: (B, C) -> (B, F)"""
        features = self.config.input_size
        return h[:, -features:] if self.config.per_stream_scale else h.new_ones(len(h), features)

    def scan(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The step over time; a missing input (NaN) is replaced by the prediction for it, so F = O is needed.

        x: (B, T, F), h: (B, C) -> y: (B, T, O), h: (B, C)
        """
        outputs, gaps = [], bool(x.isnan().any())
        for observation in x.unbind(dim=1):  # (B, F)
            if gaps:
                observation = torch.where(observation.isnan(), self.peek(h), observation)
            y, h = self.step(observation, h)
            outputs.append(y)
        return torch.stack(outputs, dim=1), h

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The whole sequence in one call of torch's recurrence: `scan` without missing values, for training.

        x: (B, T, F), h: (B, C) -> y: (B, T, O), h: (B, C)
        """
        reading, h = self.reading(x, h)
        return reading.prediction(self.say(reading.features)), h

    def reading(self, x: Tensor, h: Tensor) -> tuple[Reading, Tensor]:
        """What the readout reads at every step of a sequence: its regressors, if the rest is held still.

        x: (B, T, F), h: (B, C) -> features (B, T, P) with origin and scale, h: (B, C)
        """
        config, (streams, steps, _) = self.config, x.shape
        start, delayed, statistics = h.split_with_sizes(config.context_sizes, dim=1)
        past = delayed.reshape(streams, config.delay, config.input_size).flip(1)
        below = x
        if config.per_stream_scale:
            past = torch.where((statistics[:, :1] == 0)[..., None], x[:, :1].expand_as(past), past)
            statistics = running.updates(x, statistics)  # (B, T, 1 + 2F)
            below = running.seen(x, statistics)
        hidden, last = self._recurrence(below, start)
        line = torch.cat((past, x), dim=1)  # (B, D + T, F), in time order
        lines = [line[:, config.delay - lag : config.delay - lag + steps] for lag in range(config.delay)]
        newest = line[:, line.shape[1] - config.delay :].flip(1).reshape(streams, -1)
        end = statistics[:, -1] if config.per_stream_scale else statistics
        return self._reading(hidden, lines, statistics), torch.cat((last, newest, end), dim=1)

    @classmethod
    def of(cls, weights: Weights) -> "Elman":
        """The network of these weights, a copy."""
        network = cls(weights.config)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.arrays.items()})
        return network

    def weights(self) -> Weights:
        """What it has learned, a copy."""
        parts = self.state_dict().items()
        return Weights(self.config, {name: part.cpu().numpy().astype(np.float32, order="C") for name, part in parts})

    @classmethod
    def from_torch(cls, rnn: nn.RNN, linear: nn.Linear) -> "Elman":
        """Take over the weights of `nn.RNN` and the `nn.Linear` that reads its output.

        Raises:
            ValueError: the pair is not an Elman network (bidirectional, projected, sizes that do not fit,
                bias in only one of the two).
        """
        if rnn.bidirectional or rnn.proj_size or linear.in_features != rnn.hidden_size:
            raise ValueError("only a one-way nn.RNN without projection and an nn.Linear of its hidden size fit")
        if bool(rnn.bias) != (linear.bias is not None):
            raise ValueError("nn.RNN and nn.Linear must both have a bias, or neither")
        network = cls(
            ElmanConfig(
                input_size=rnn.input_size,
                hidden_size=rnn.hidden_size,
                output_size=linear.out_features,
                num_layers=rnn.num_layers,
                nonlinearity=rnn.nonlinearity,
                bias=bool(rnn.bias),
            )
        )
        with torch.no_grad():
            for layer, joined in enumerate(network.hidden_weights):
                ih, hh = getattr(rnn, f"weight_ih_l{layer}"), getattr(rnn, f"weight_hh_l{layer}")
                joined.copy_(torch.cat((ih.t(), hh.t())))
                if rnn.bias:
                    network.hidden_biases[layer].copy_(
                        getattr(rnn, f"bias_ih_l{layer}") + getattr(rnn, f"bias_hh_l{layer}")
                    )
            network.readout_weight.copy_(linear.weight.t())
            if linear.bias is not None:
                network.readout_bias.copy_(linear.bias)
        return network

    def _recurrence(self, x: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, T, F), start: (B, L*H) -> uppermost hidden states (B, T, H), all last ones (B, L*H)"""
        config, streams = self.config, x.shape[0]
        parameters = []
        for layer, joined in enumerate(self.hidden_weights):
            below = joined.shape[0] - config.hidden_size
            parameters += [joined[:below].t(), joined[below:].t()]
            if (bias := self._bias(layer)) is not None:
                parameters += [bias, torch.zeros_like(bias)]  # torch has two biases a layer, Elman one
        recurrence = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}[config.nonlinearity]
        h = start.view(streams, config.num_layers, config.hidden_size).transpose(0, 1).contiguous()  # (L, B, H)
        hidden, last = recurrence(x, h, parameters, config.bias, config.num_layers, 0.0, self.training, False, True)
        return hidden, last.transpose(0, 1).reshape(streams, -1)

    def _bias(self, layer: int) -> Tensor | None:
        return self.hidden_biases[layer] if self.config.bias else None

    def _reading(self, hidden: Tensor, lines: Sequence[Tensor], statistics: Tensor) -> Reading:
        """hidden: (..., H); lines: D inputs (..., F), newest first; statistics: (..., 1 + 2F)"""
        config, features = self.config, self.config.input_size
        taps = [lines[lag - 1] for lag in config.taps]
        if not config.per_stream_scale:
            return Reading(torch.cat((hidden, *taps), dim=-1), lines[0] if config.residual else None, None)
        seen = [running.seen(tap, statistics) for tap in taps]
        mean, scale = statistics[..., 1 : 1 + features], statistics[..., 1 + features :]
        return Reading(torch.cat((hidden, *seen), dim=-1), lines[0] if config.residual else mean, scale)


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return functional.linear(x, weight.t(), bias)
