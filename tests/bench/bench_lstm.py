#!/usr/bin/env python3
# The opponent of bench_lstm: PyTorch's nn.LSTM of the same shape, one thread and two. Run by bench_lstm.sh.
# Usage: bench_lstm.py [THREADS...]   (1 2)
import sys
import time

import torch

INPUTS, HIDDEN, LAYERS, OUTPUTS, ROWS = 8, 128, 3, 6, 60
LEVELS = torch.tensor([0.1, 0.5, 0.9] * 2)


def best(run, runs=9, rounds=1):
    # CPU time for one thread, as bench_lstm takes it; with more threads only the clock on the wall is fair.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    times = []
    run()
    for _ in range(runs):
        start = clock()
        for _ in range(rounds):
            run()
        times.append((clock() - start) / rounds)
    return min(times)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(INPUTS, HIDDEN, LAYERS, dropout=0.2)
        self.head = torch.nn.Linear(HIDDEN, OUTPUTS)

    def forward(self, x, state=None):
        y, state = self.lstm(x, state)
        return self.head(y), state


def measure(threads):
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    net = Net()
    net.eval()
    with torch.inference_mode():
        state = {b: (torch.zeros(LAYERS, b, HIDDEN), torch.zeros(LAYERS, b, HIDDEN)) for b in (1, 64)}
        rows = {b: torch.randn(1, b, INPUTS) for b in (1, 64)}
        windows = {b: torch.randn(ROWS, b, INPUTS) for b in (1, 64)}
        step1 = best(lambda: net(rows[1], state[1]), 27, 50)
        step64 = best(lambda: net(rows[64], state[64]), 27, 5)
        window1 = best(lambda: net(windows[1]), 9, 3)
        window64 = best(lambda: net(windows[64]))
    net.train()
    adam = torch.optim.Adam(net.parameters(), 1e-4)
    x, y = torch.randn(ROWS, 64, INPUTS), torch.randn(ROWS, 64, OUTPUTS)

    def train():
        adam.zero_grad()
        over = y - net(x)[0]
        torch.maximum(LEVELS * over, (LEVELS - 1) * over).mean().backward()
        adam.step()

    training = best(train)
    print(
        f"PyTorch {torch.__version__}, {threads} thread(s): step {step1 * 1e6:.1f} us, 64 steps {step64 * 1e6:.0f} us, "
        f"window {window1 * 1e6:.0f} us, 64 windows {window64 * 1e6:.0f} us, training {64 / training:.0f} windows/s",
        flush=True,
    )


for threads in [int(word) for word in sys.argv[1:]] or [1, 2]:
    measure(threads)
