"""Runs ONNX models of the folder and compares with what the nets gave: NAME.onnx with NAME.json, a list of numbers
for each input and each expected output. Prints one line a model; exit status 1 when one differs by more than 1e-5."""

import glob
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with open(os.path.splitext(path)[0] + ".json", encoding="utf-8") as file:
        case = json.load(file)

    def array(of, kind="tensor(float)"):
        of_kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[kind]
        return np.array(of["numbers"], dtype=of_kind).reshape(of["sizes"])

    inputs = {of.name: array(case["inputs"][of.name], of.type) for of in session.get_inputs()}
    names = list(case["outputs"])
    outputs = dict(zip(names, session.run(names, inputs)))
    worst = 0.0
    for name in names:
        expected = array(case["outputs"][name])
        if outputs[name].shape != expected.shape:
            sys.exit(f"{path}: {name} is of {outputs[name].shape}, not {expected.shape}")
        scale = np.maximum(1.0, np.abs(expected))
        worst = max(worst, float(np.max(np.abs(outputs[name] - expected) / scale)))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if metadata != case["metadata"]:
        sys.exit(f"{path}: metadata {metadata}, not {case['metadata']}")
    print(f"{os.path.basename(path)}: onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, "
          f"largest difference {worst:.2e}")
    return worst <= 1e-5


found = sorted(glob.glob(os.path.join(sys.argv[1], "*.onnx")))
results = [check(path) for path in found]
sys.exit(0 if found and all(results) else 1)
