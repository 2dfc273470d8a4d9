#!/usr/bin/env python3
# Writes tests/golden/lstm_golden.h: what PyTorch's nn.LSTM answers, and its gradients, for weights and inputs that
# both sides compute from whole numbers. Run by tests/golden/lstm_golden.sh, with Debian's PyTorch.
import math

import torch

INPUTS, HIDDEN, LAYERS, OUTPUTS, ROWS, BATCH = 6, 128, 3, 6, 60, 2
LEVELS = [0.1, 0.5, 0.9] * 2


def noise(tensor, row, column):
    """Uniform in [-.5, .5), the same on both sides."""
    k = (tensor * 4194304 + row * 2048 + column) & 0xFFFFFFFF
    k = (k * 2654435761 + 12345) & 0xFFFFFFFF
    k ^= k >> 15
    k = (k * 2246822519) & 0xFFFFFFFF
    return (k >> 8) / 16777216.0 - 0.5


def fill(parameter, tensor, scale):
    rows = parameter.shape[0]
    columns = parameter.shape[1] if parameter.dim() > 1 else 1
    values = [[noise(tensor, r, c) * scale for c in range(columns)] for r in range(rows)]
    with torch.no_grad():
        parameter.copy_(torch.tensor(values, dtype=torch.float32).reshape(parameter.shape))


torch.set_num_threads(1)
net = torch.nn.LSTM(INPUTS, HIDDEN, LAYERS)
head = torch.nn.Linear(HIDDEN, OUTPUTS)
scale = 2 / math.sqrt(HIDDEN)
for layer in range(LAYERS):
    fill(getattr(net, f"weight_ih_l{layer}"), 8 * layer, scale)
    fill(getattr(net, f"weight_hh_l{layer}"), 8 * layer + 1, scale)
    fill(getattr(net, f"bias_ih_l{layer}"), 8 * layer + 2, scale)
    with torch.no_grad():
        getattr(net, f"bias_hh_l{layer}").zero_()
fill(head.weight, 100, 4 * scale)
fill(head.bias, 101, scale)
x = torch.tensor([[[4 * noise(200 + i, t, b) for i in range(INPUTS)] for b in range(BATCH)] for t in range(ROWS)], dtype=torch.float32)
y = torch.tensor([[[noise(300 + j, t, b) for j in range(OUTPUTS)] for b in range(BATCH)] for t in range(ROWS)], dtype=torch.float32)
out = head(net(x)[0])
levels = torch.tensor(LEVELS)
over = y - out
loss = torch.maximum(levels * over, (levels - 1) * over).mean()
loss.backward()


def array(name, values):
    text = ", ".join(f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0f" for v in values)
    lines, line = [], "\t"
    for word in text.split(" "):
        if len(line) + len(word) > 96:
            lines.append(line.rstrip())
            line = "\t"
        line += word + " "
    lines.append(line.rstrip())
    return f"static const float {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def picked(parameter):
    flat = parameter.grad.reshape(-1)
    step = max(1, flat.numel() // 16)
    return [flat[i * step].item() for i in range(16)]


gradients = []
for layer in range(LAYERS):
    for name in ("weight_ih", "weight_hh", "bias_ih"):
        gradients += picked(getattr(net, f"{name}_l{layer}"))
gradients += picked(head.weight)
print("/* What PyTorch answers: written by tests/golden/lstm_golden.py, not by hand. */")
print("#ifndef NIMBUSGUARD_TESTS_GOLDEN_LSTM_GOLDEN_H\n#define NIMBUSGUARD_TESTS_GOLDEN_LSTM_GOLDEN_H\n")
print(f"/* PyTorch {torch.__version__}. [rows {ROWS}][batch {BATCH}][outputs {OUTPUTS}] */")
print("/* clang-format off */")
print(array("golden_outputs", out.reshape(-1).tolist()))
print("/* 16 elements of each tensor's gradient, evenly spread: W, U, b of each layer, the head. */")
print(array("golden_gradients", gradients))
print("/* clang-format on */\n")
print(f"static const double golden_loss = {loss.item():.9g};\n\n#endif")
