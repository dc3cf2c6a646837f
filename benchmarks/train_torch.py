"""The network of `train` in snnTorch, norse and SpikingJelly: modules that return the counts of output spikes (batch, classes) for an
input (steps, batch, inputs).

Layer by layer: a product of all steps at once, then the neurons step by step, which was faster in all three than all layers in each step.
With `compiled`, `torch.compile` is used on one step of the neurons: a loop over 500 steps takes it too long.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .train_task import DECAY, THRESHOLD, Task


def linear(w: Any, scale: float = 1.0) -> nn.Linear:
    """A layer with the weights `w` (inputs, outputs) times `scale`."""
    layer = nn.Linear(*w.shape, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w.T) * scale)
    return layer


class SnnTorch(nn.Module):
    """`Leaky`, resetting to zero. Its reset is always detached."""

    def __init__(self, task: Task, compiled: bool = False):
        import snntorch
        from snntorch import surrogate

        super().__init__()
        self.products = nn.ModuleList([linear(task.w1), linear(task.w2)])
        self.neurons = nn.ModuleList(
            snntorch.Leaky(DECAY, THRESHOLD, spike_grad=surrogate.fast_sigmoid(slope=1), reset_mechanism="zero")
            for _ in range(2)
        )
        self.step = [torch.compile(n) if compiled else n for n in self.neurons]

    def forward(self, x: Any) -> Any:
        for product, step in zip(self.products, self.step):
            current = product(x)
            v, spikes = torch.zeros_like(current[0]), []
            for now in current.unbind():
                spike, v = step(now, v)
                spikes.append(spike)
            x = torch.stack(spikes)
        return x.sum(0)


class Norse(nn.Module):
    """`LIFBoxCell`, with its own reset method on detached spikes (its default is attached).

    dv = dt (i - v) / tau_mem by Euler's method: dt / tau_mem = 1 - DECAY gives the decay, and multiplies the input, hence the scale.
    """

    def __init__(self, task: Task, compiled: bool = False):
        import norse.torch as norse
        from norse.torch.functional.lif_box import LIFBoxFeedForwardState
        from norse.torch.functional.reset import reset_value

        super().__init__()
        self.scale = 1.0 / (1.0 - DECAY)
        self.products = nn.ModuleList([linear(task.w1, self.scale), linear(task.w2, self.scale)])
        p = norse.LIFBoxParameters(
            tau_mem_inv=torch.tensor(1.0 - DECAY),
            v_th=torch.tensor(THRESHOLD),
            method="super",
            reset_method=lambda z, v, reset, th: reset_value(z.detach(), v, reset, th),
        )
        self.state = LIFBoxFeedForwardState
        cell = norse.LIFBoxCell(p, dt=1.0)
        self.step = torch.compile(cell) if compiled else cell

    def forward(self, x: Any) -> Any:
        for product in self.products:
            current = product(x)
            state, spikes = self.state(v=torch.zeros_like(current[0])), []
            for now in current.unbind():
                spike, state = self.step(now, state)
                spikes.append(spike)
            x = torch.stack(spikes)
        return x.sum(0)


class SpikingJelly(nn.Module):
    """`LIFNode` in multi-step mode with `detach_reset`; its surrogate SuperSpike has no slope.

    Its own operators for the CPU run the steps in Python and write out the backward pass. With `compiled`, the functions of its single-step mode.
    """

    def __init__(self, task: Task, compiled: bool = False):
        from spikingjelly.activation_based import functional, neuron, surrogate

        super().__init__()
        self.products = nn.ModuleList([linear(task.w1), linear(task.w2)])
        self.compiled = compiled
        tau = 1.0 / (1.0 - DECAY)
        self.neurons = nn.ModuleList(
            neuron.LIFNode(
                tau=tau,
                decay_input=False,
                v_threshold=THRESHOLD,
                v_reset=0.0,
                surrogate_function=surrogate.SuperSpike(alpha=1.0),
                detach_reset=True,
                step_mode="m",
            )
            for _ in range(2)
        )

        def step(x: Any, v: Any) -> Any:
            return functional.lif_step(x, v, tau, False, THRESHOLD, 0.0, surrogate.SuperSpike(alpha=1.0), True)

        self.step = torch.compile(step) if compiled else None

    def forward(self, x: Any) -> Any:
        for product, neurons in zip(self.products, self.neurons):
            current = product(x)
            if self.step is None:
                neurons.reset()
                x = neurons(current)
                continue
            v, spikes = torch.zeros_like(current[0]), []
            for now in current.unbind():
                spike, v = self.step(now, v)
                spikes.append(spike)
            x = torch.stack(spikes)
        return x.sum(0)


MODULES = {"snntorch": SnnTorch, "norse": Norse, "spikingjelly": SpikingJelly}
