"""The other side of bench_detectors.sh: scikit-learn on the same rows, and the table of both.

usage: [SEEDS=N] detectors_sklearn.py FOLDER BENCH_FOREST [DATA]     FOLDER/ours: what bench_forest printed
"""
import gzip
import os
import subprocess
import sys
import time

import numpy
import sklearn
from sklearn.ensemble import IsolationForest

RUNS = 9
SEEDS = int(os.environ.get("SEEDS", "5"))
folder, bench = sys.argv[1:3]
data = sys.argv[3] if len(sys.argv) > 3 else ""


def least(work, runs=RUNS):
    best = float("inf")
    for _ in range(runs):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def rows_of(name):
    values = numpy.fromfile(os.path.join(folder, name + ".rows"))
    return values[2:].reshape(int(values[0]), int(values[1]))


def times(name):
    train = rows_of(name)
    many = numpy.tile(train, (1 + 10000 // len(train), 1))[:10000]
    forest = IsolationForest(n_estimators=100, random_state=1, n_jobs=1).fit(train)
    fit = least(lambda: IsolationForest(n_estimators=100, random_state=1, n_jobs=1).fit(train))
    row = least(lambda: forest.score_samples(many[:1]))
    bulk = least(lambda: forest.score_samples(many))
    return fit * 1e3, row * 1e6, bulk / len(many) * 1e6


def print_times():
    ours, other = {}, []
    for line in open(os.path.join(folder, "ours")):
        word = line.split()
        if word[0] == "forest":
            ours.setdefault(word[1], []).append((word[2], [float(x) for x in word[3:]]))
        else:
            other.append(word)
    print(f"scikit-learn {sklearn.__version__}; CPU time, least of {RUNS} runs or more, one thread")
    print(f"{'forest of':10s} {'code':9s} {'fit ms':>16s} {'one row us':>20s} {'bulk us a row':>18s}"
          "    (in brackets: times as fast as scikit-learn)")
    for case, lines in ours.items():
        fit, row, bulk = times(case)
        print(f"{case:10s} {'sklearn':9s} {fit:8.1f} {row:18.0f} {bulk:18.2f}")
        for code, (f, r, b) in lines:
            print(f"{'':10s} {code:9s} {f:8.2f} ({fit / f:4.0f}x) {r:10.2f} ({row / r:5.0f}x) "
                  f"{b:10.2f} ({bulk / b:4.1f}x)")
    for word in other:
        if word[0] == "cold":
            print(f"a row of 1,000 forests of 36 features in turn, {word[1]}: {float(word[2]):.2f} us")
    print(f"\n{'six columns, 10,000 rows':24s} {'fit ms':>8s} {'row us':>8s} {'kB':>6s}")
    for word in other:
        if word[0] == "detector":
            print(f"{word[1]:24s} {float(word[2]):8.1f} {float(word[3]):8.2f} {int(word[4]) / 1e3:6.0f}")


def table(path):
    with gzip.open(path) as file:
        return numpy.loadtxt(file, delimiter=",", ndmin=2)


def rolled(x):
    def mean(values, window):
        sums = numpy.cumsum(numpy.vstack([numpy.zeros(values.shape[1]), values]), 0)
        last = numpy.arange(1, len(values) + 1)
        first = numpy.maximum(last - window, 0)
        return (sums[last] - sums[first]) / (last - first)[:, None]

    features = [x]
    for window in (12, 60):
        m = mean(x, window)
        features += [m, numpy.sqrt(numpy.maximum(mean(x * x, window) - m * m, 0))]
    features.append(numpy.vstack([numpy.zeros(x.shape[1]), numpy.diff(x, axis=0)]))
    return numpy.hstack(features)


def auc(label, score):
    order = numpy.argsort(score, kind="stable")
    rank = numpy.empty(len(score))
    values, inverse, counts = numpy.unique(score[order], return_inverse=True, return_counts=True)
    ends = numpy.cumsum(counts)
    rank[order] = (ends - (counts - 1) / 2)[inverse]
    hits = label.sum()
    return (rank[label].sum() - hits * (hits + 1) / 2) / (hits * (len(label) - hits))


def entities():
    for name in ("machine-1-7", "machine-2-2"):
        yield name, [f"smd/{name}_{part}.csv.gz" for part in ("train", "test", "test_label")]
    for i in range(1, 5):
        yield f"omi-{i}", [f"asd/omi-{i}_{part}.csv.gz" for part in ("train", "test", "test_label")]
    for i in range(2):
        yield f"service{i}", [f"jumpstarter/{part}_service{i}.csv.gz" for part in ("train", "test", "test_label")]


def our_scores(both, train, seed):
    command = [bench, "--scores", str(len(both)), str(train), str(both.shape[1]), str(seed)]
    out = subprocess.run(command, input=numpy.ascontiguousarray(both).tobytes(), stdout=subprocess.PIPE, check=True)
    return numpy.frombuffer(out.stdout)


def print_auc():
    print(f"\nAUC-ROC of the forest on the same features, mean of {SEEDS} seeds\n{'':14s} {'plain':>18s} {'roll':>24s}")
    print(f"{'':14s}" + f" {'sklearn':>8s} {'ours':>7s} {'difference':>11s}" * 2)
    for name, paths in entities():
        train, test, label = (table(os.path.join(data, path)) for path in paths)
        label = label.ravel().astype(bool)
        line = f"{name:14s}"
        for roll in (False, True):
            a, b = (rolled(train), rolled(test)) if roll else (train, test)
            deviation = a.std(0)
            deviation[deviation < 1e-12] = 1
            a, b = (a - a.mean(0)) / deviation, (b - a.mean(0)) / deviation
            both = numpy.vstack([a, b])
            theirs = numpy.mean([auc(label, -IsolationForest(n_estimators=100, random_state=s, n_jobs=1).fit(a).score_samples(b))
                                 for s in range(SEEDS)])
            own = numpy.mean([auc(label, our_scores(both, len(a), s)) for s in range(SEEDS)])
            line += f" {theirs:8.3f} {own:7.3f} {own - theirs:+11.3f}"
        print(line, flush=True)


print_times()
if data:
    print_auc()
