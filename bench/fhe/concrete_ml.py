# SPDX-License-Identifier: Apache-2.0
"""Concrete ML on the data of models/: how long one encrypted sample takes, and how right it is.

    python3.11 -m venv DIR && DIR/bin/pip install concrete-ml==1.9.0
    DIR/bin/python bench/fhe/concrete_ml.py [--samples N] [--only logistic,tree,mlp,digits]

Trains on the rows of scikit-learn's copy that heldback.json does not hold, as models/train.py does. Accuracy is that of
Concrete ML's own exact simulation on all held-back rows; time is that of the circuit on the server, without encryption.
Prints one JSON object for each model.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

warnings.filterwarnings("ignore")
MODELS = Path(__file__).resolve().parents[2] / "models"


def split(name, data, labels):
    """Training and held-back rows; the latter are those of models/NAME/heldback.json."""
    held = json.loads((MODELS / name / "heldback.json").read_text())["rows"]
    known = {tuple(row["x"]) for row in held}
    train = np.array([tuple(row) not in known for row in data.tolist()])
    names = {label: k for k, label in enumerate(labels)}
    x = np.array([row["x"] for row in held], dtype=np.float32)
    y = np.array([names[row["label"]] for row in held])
    return train, x, y


def cancer(name, scale):
    data = load_breast_cancer()
    truth = 1 - data.target
    train, x, y = split(name, data.data, ["benign", "malignant"])
    mean, std = data.data[train].mean(axis=0), data.data[train].std(axis=0)
    if not scale:
        mean, std = 0, 1
    return ((data.data[train] - mean) / std).astype(np.float32), truth[train], ((x - mean) / std).astype(np.float32), y


def digits():
    data = load_digits()
    train, x, y = split("digits-mlp", data.data, [str(k) for k in range(10)])
    return (data.data[train] / 16).astype(np.float32), data.target[train], (x / 16).astype(np.float32), y


def network(inputs, hidden, outputs):
    import torch
    from concrete.ml.sklearn import NeuralNetClassifier

    torch.manual_seed(20250101)
    return NeuralNetClassifier(
        module__n_layers=2, module__n_hidden_neurons_multiplier=hidden / inputs, module__n_w_bits=4,
        module__n_a_bits=4, module__n_accum_bits=16, module__n_prune_neurons_percentage=0.0,
        module__activation_function=torch.nn.ReLU, max_epochs=60, lr=0.02, verbose=0)


def makers():
    from concrete.ml.sklearn import DecisionTreeClassifier, LogisticRegression

    return {
        "logistic": (lambda: LogisticRegression(n_bits=8, C=1), lambda: cancer("breast-cancer-logistic", True)),
        "tree": (lambda: DecisionTreeClassifier(n_bits=4, max_depth=4, random_state=20250101, min_samples_leaf=16),
                 lambda: cancer("breast-cancer-tree", False)),
        "mlp": (lambda: network(30, 16, 2), lambda: cancer("breast-cancer-mlp", True)),
        "digits": (lambda: network(64, 32, 10), digits),
    }


def measure(name, make, load, samples):
    x, y, held, truth = load()
    model = make()
    model.fit(x, y.astype(np.int64))
    exact = float((model.predict(held) == truth).mean())
    circuit = model.compile(x[:100])
    started = time.perf_counter()
    circuit.keygen(force=True)
    keygen = time.perf_counter() - started
    times = []
    for row in held[:samples]:
        quantised = model.quantize_input(row[None, :])
        encrypted = circuit.encrypt(quantised)
        started = time.perf_counter()
        circuit.run(encrypted)
        times.append((time.perf_counter() - started) * 1e3)
    print(json.dumps({"model": name, "accuracy": round(exact, 4), "keygenS": round(keygen, 2),
                      "circuitMs": [round(t, 2) for t in times]}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--only", default="logistic,tree,mlp,digits")
    flags = parser.parse_args()
    table = makers()
    for name in flags.only.split(","):
        make, load = table[name]
        measure(name, make, load, flags.samples)


if __name__ == "__main__":
    main()
