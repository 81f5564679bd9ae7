"""The Elman network: one pure step, and two sequence forwards that are tested equal to it.

Axes, named once: B streams, T time, F input features, O outputs, H hidden units, L layers.
The context of a stream is flat: the L hidden states of H units side by side, `(B, L*H)`.
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import ElmanConfig


class Elman(nn.Module):
    """Simple recurrent network (J. Elman, "Finding structure in time", Cognitive Science 14, 1990).

    In every layer the input is joined with the layer's context, the hidden state of the step before:

        h_t = f([x_t, h_{t-1}] W + b)        W: (F + H, H), f: tanh or relu
        y_t = h_t V + c                      V: (H, O), on the uppermost layer

    Weights are drawn from U(-1/sqrt(H), 1/sqrt(H)) by `generator`, so that a seed fixes them.
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

        x: (B, F), h: (B, L*H) -> y: (B, O), h: (B, L*H)
        """
        below, context = x, []
        for layer, before in enumerate(h.chunk(self.config.num_layers, dim=1)):
            joined = torch.cat((below, before), dim=1)  # (B, F + H), above the first layer (B, H + H)
            below = self.activation(_affine(joined, self.hidden_weights[layer], self._bias(layer)))  # (B, H)
            context.append(below)
        return self._readout(below), torch.cat(context, dim=1)

    def peek(self, h: Tensor) -> Tensor:
        """The prediction that a context already holds. h: (B, L*H) -> y: (B, O)"""
        return self._readout(h[:, -self.config.hidden_size :])

    def scan(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The step over time; a missing input (NaN) is replaced by the prediction for it, so F = O is needed.

        x: (B, T, F), h: (B, L*H) -> y: (B, T, O), h: (B, L*H)
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

        x: (B, T, F), h: (B, L*H) -> y: (B, T, O), h: (B, L*H)
        """
        config, streams = self.config, x.shape[0]
        parameters = []
        for layer, joined in enumerate(self.hidden_weights):
            below = joined.shape[0] - config.hidden_size
            parameters += [joined[:below].t(), joined[below:].t()]
            if (bias := self._bias(layer)) is not None:
                parameters += [bias, torch.zeros_like(bias)]  # torch has two biases a layer, Elman one
        recurrence = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}[config.nonlinearity]
        start = h.view(streams, config.num_layers, config.hidden_size).transpose(0, 1).contiguous()  # (L, B, H)
        hidden, last = recurrence(
            x, start, parameters, config.bias, config.num_layers, 0.0, self.training, False, True
        )  # (B, T, H), (L, B, H)
        return self._readout(hidden), last.transpose(0, 1).reshape(streams, config.context_size)

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

    def _bias(self, layer: int) -> Tensor | None:
        return self.hidden_biases[layer] if self.config.bias else None

    def _readout(self, hidden: Tensor) -> Tensor:
        return _affine(hidden, self.readout_weight, self.readout_bias if self.config.bias else None)


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return functional.linear(x, weight.t(), bias)
