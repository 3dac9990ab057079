# SPDX-License-Identifier: Apache-2.0
"""Checks the models in this folder from their published files alone.

For every folder beside this script that holds a model.json, this reads
model.json, model.onnx and heldback.json (never the training script or its
data source), runs the model over all held-back rows and compares what it
measures with what model.json states.

    python3 models/check.py
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

ROOT = Path(__file__).resolve().parent
ALLOWED_OPS = {"AveragePool", "Conv", "Flatten", "Gemm", "Relu", "Sigmoid", "Softmax", "TreeEnsembleClassifier"}


def to_input(card, rows):
    """Turns raw rows into the model's float32 input.

    Standardising is done in float64 and rounded to float32 once, at the end.
    """
    x = np.array([row["x"] for row in rows], dtype=np.float64)
    if "standardize" in card:
        mean = np.array(card["standardize"]["mean"], dtype=np.float64)
        std = np.array(card["standardize"]["std"], dtype=np.float64)
        x = (x - mean) / std
    return x.astype(np.float32).reshape(card["inputs"][0]["shape"])


def session(onnx_bytes):
    """Opens a model on one CPU thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])


def to_labels(card, out):
    """One output column: >= 0.5 is labels[1]. Several: the largest wins."""
    if out.shape[1] == 1:
        index = (out[:, 0] >= 0.5).astype(int)
    else:
        index = out.argmax(axis=1)
    return [card["labels"][i] for i in index]


def auc(positive, score):
    """Area under the ROC curve: the share of (positive, negative) pairs in
    which the positive row has the higher score, a tie counting one half."""
    p, n = score[positive], score[~positive]
    wins = (p[:, None] > n[None, :]).sum() + 0.5 * (p[:, None] == n[None, :]).sum()
    return float(wins) / (len(p) * len(n))


def measure(card, onnx_bytes, rows):
    """Runs the model over the rows; returns model.json's "accuracy" object."""
    name_in, name_out = card["inputs"][0]["name"], card["outputs"][0]["name"]
    (out,) = session(onnx_bytes).run([name_out], {name_in: to_input(card, rows)})
    truth = [row["label"] for row in rows]
    right = sum(a == b for a, b in zip(to_labels(card, out), truth))
    result = {"heldBack": round(right / len(rows), 4), "n": len(rows)}
    if len(card["labels"]) == 2:
        positive = np.array([t == card["labels"][1] for t in truth])
        result["auc"] = round(auc(positive, out[:, -1].astype(np.float64)), 4)
    return result


def check(folder):
    """Checks one model folder; returns (accuracy, list of faults)."""
    faults = []
    card = json.loads((folder / "model.json").read_text("utf-8"))
    onnx_bytes = (folder / "model.onnx").read_bytes()
    heldback = json.loads((folder / "heldback.json").read_text("utf-8"))
    calibration = json.loads((folder / "calibration.json").read_text("utf-8"))

    if card["digest"] != "sha256:" + hashlib.sha256(onnx_bytes).hexdigest():
        faults.append("the digest of model.onnx is not the one in model.json")
    if not card["name"] == heldback["model"] == calibration["model"] == folder.name:
        faults.append("the name differs between the folder and its files")

    model = onnx.load_model_from_string(onnx_bytes)
    onnx.checker.check_model(model, full_check=True)
    opsets = {opset.version for opset in model.opset_import if opset.domain == ""}
    if (model.ir_version, opsets) != (8, {17}):
        faults.append("unexpected ir_version or opset")
    if not {node.op_type for node in model.graph.node} <= ALLOWED_OPS:
        faults.append("an operator outside " + ", ".join(sorted(ALLOWED_OPS)))
    for value, stated in ((model.graph.input[0], card["inputs"][0]),
                          (model.graph.output[-1], card["outputs"][0])):
        tensor = value.type.tensor_type
        shape = [d.dim_value or -1 for d in tensor.shape.dim]
        if (value.name, shape) != (stated["name"], stated["shape"]) \
                or tensor.elem_type != onnx.TensorProto.FLOAT:
            faults.append(f"{value.name} is not as stated in model.json")

    if {tuple(r["x"]) for r in heldback["rows"]} & {tuple(r["x"]) for r in calibration["rows"]}:
        faults.append("a row is in both heldback.json and calibration.json")

    found = measure(card, onnx_bytes, heldback["rows"])
    if found != card["accuracy"]:
        faults.append(f"model.json states {card['accuracy']}")
    # The batch dimension is dynamic: one row at a time must agree with all at once.
    x, s = to_input(card, heldback["rows"]), session(onnx_bytes)
    name, scores = card["inputs"][0]["name"], [card["outputs"][0]["name"]]
    alone = np.concatenate([s.run(scores, {name: x[i:i + 1]})[0] for i in range(len(x))])
    if not np.allclose(alone, s.run(scores, {name: x})[0], atol=1e-5):
        faults.append("single rows and the whole batch give different answers")
    return found, faults


def main():
    failed = passed = 0
    for folder in sorted(p.parent for p in ROOT.glob("*/model.json")):
        found, faults = check(folder)
        print(f"{folder.name}: {found} {'FAULTS: ' + '; '.join(faults) if faults else 'ok'}")
        failed, passed = failed + bool(faults), passed + (not faults)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
