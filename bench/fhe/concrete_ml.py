# SPDX-License-Identifier: Apache-2.0
"""Concrete ML as a peer of the bench: one JSON request a line on standard input, one JSON answer a line on standard output.

{"op": "open", "model", "variant"} trains on the rows of scikit-learn's copy that models/NAME/heldback.json does not hold, as
models/train.py does, compiles, and makes keys: {"accuracy", "fitS", "compileS", "keygenMs", "evaluationKeyBytes", "pErrors"}.
Accuracy is that of Concrete ML's own exact simulation on all held-back rows.
{"op": "run", "row"} encrypts a held-back row, runs the circuit and decrypts: {"encryptMs", "evaluateMs", "decryptMs", "inputBytes",
"agrees"}, the last one for whether the decrypted numbers are those of the simulation.
"""

import importlib.metadata
import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from concrete.ml.sklearn import DecisionTreeClassifier, LogisticRegression, NeuralNetClassifier, RandomForestClassifier
from sklearn.datasets import load_breast_cancer, load_digits

warnings.filterwarnings("ignore")
MODELS = Path(__file__).resolve().parents[2] / "models"
SEED = 20250101


def split(name, data, labels):
    """Training rows, and the held-back ones of models/NAME/heldback.json."""
    held = json.loads((MODELS / name / "heldback.json").read_text())["rows"]
    known = {tuple(row["x"]) for row in held}
    train = np.array([tuple(row) not in known for row in data.tolist()])
    names = {label: at for at, label in enumerate(labels)}
    x = np.array([row["x"] for row in held], dtype=np.float32)
    return train, x, np.array([names[row["label"]] for row in held])


def cancer(name, scale):
    data = load_breast_cancer()
    train, held, truth = split(name, data.data, ["benign", "malignant"])
    known, labels = data.data[train], 1 - data.target[train]
    mean, std = (known.mean(axis=0), known.std(axis=0)) if scale else (0, 1)
    return ((known - mean) / std).astype(np.float32), labels, ((held - mean) / std).astype(np.float32), truth


def digits():
    data = load_digits()
    train, held, truth = split("digits-mlp-fhe", data.data, [str(digit) for digit in range(10)])
    return (data.data[train] / 16).astype(np.float32), data.target[train], (held / 16).astype(np.float32), truth


def network(inputs, hidden, bits, epochs):
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    return NeuralNetClassifier(
        module__n_layers=2, module__n_hidden_neurons_multiplier=hidden / inputs, module__n_w_bits=bits,
        module__n_a_bits=bits, module__n_accum_bits=16, module__n_prune_neurons_percentage=0.0,
        module__activation_function=torch.nn.ReLU, max_epochs=epochs, lr=0.02, verbose=0)


def tree(bits):
    return DecisionTreeClassifier(n_bits=bits, max_depth=4, min_samples_leaf=16, random_state=SEED)


# The architectures of models/: the same depth, leaves, trees and hidden units.
MAKERS = {
    "breast-cancer-logistic": (lambda bits: LogisticRegression(n_bits=bits, C=1), lambda: cancer("breast-cancer-logistic", True)),
    "breast-cancer-tree": (tree, lambda: cancer("breast-cancer-tree", False)),
    "breast-cancer-forest": (
        lambda bits: RandomForestClassifier(n_bits=bits, n_estimators=20, max_depth=6, random_state=SEED),
        lambda: cancer("breast-cancer-forest", False)),
    "breast-cancer-mlp-fhe": (lambda bits: network(30, 16, bits, 100), lambda: cancer("breast-cancer-mlp-fhe", True)),
    "digits-mlp-fhe": (lambda bits: network(64, 32, bits, 100), digits),
}


class Peer:
    def __init__(self):
        self.model = None

    def open(self, job):
        make, load = MAKERS[job["model"]]
        x, y, self.held, self.truth = load()
        started = time.perf_counter()
        self.model = make(job["bits"])
        self.model.fit(x, y.astype(np.int64))
        fitted = time.perf_counter()
        self.circuit = self.model.compile(x)
        compiled = time.perf_counter()
        self.circuit.keygen(force=True)
        made = time.perf_counter()
        accuracy = float((self.model.predict(self.held) == self.truth).mean())
        return {
            "accuracy": round(accuracy, 4), "rows": len(self.held), "fitS": fitted - started, "compileS": compiled - fitted,
            "keygenMs": (made - compiled) * 1e3, "evaluationKeyBytes": len(self.circuit.client.evaluation_keys.serialize()),
            "bootstraps": int(self.circuit.programmable_bootstrap_count), "pError": float(self.circuit.p_error),
            "globalPError": float(self.circuit.global_p_error),
        }

    def run(self, job):
        row = self.held[job["row"] % len(self.held)][None, :]
        quantised = self.model.quantize_input(row)
        started = time.perf_counter()
        encrypted = self.circuit.encrypt(quantised)
        sent = time.perf_counter()
        answer = self.circuit.run(encrypted)
        answered = time.perf_counter()
        decrypted = self.circuit.decrypt(answer)
        opened = time.perf_counter()
        return {
            "encryptMs": (sent - started) * 1e3, "evaluateMs": (answered - sent) * 1e3, "decryptMs": (opened - answered) * 1e3,
            "inputBytes": len(encrypted.serialize()),
            "agrees": bool(np.array_equal(decrypted, self.circuit.simulate(quantised)) or self.clear(quantised, decrypted)),
        }

    def clear(self, quantised, decrypted):
        """Simulation has noise of its own: what counts in the end is the class."""
        quantised_answer = self.model.dequantize_output(np.asarray(decrypted))
        found = self.model.post_processing(quantised_answer)
        wanted = self.model.post_processing(self.model.dequantize_output(self.model._inference(quantised)))
        return np.array_equal(np.argmax(found, axis=-1), np.argmax(wanted, axis=-1))


def main():
    peer = Peer()
    versions = {name: importlib.metadata.version(name) for name in ("concrete-ml", "concrete-python", "torch", "scikit-learn")}
    print(json.dumps({"ready": True, "versions": versions, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = peer.open(job) if job["op"] == "open" else peer.run(job)
            answer["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        except BaseException as error:  # noqa: BLE001 - compilers of others raise what they like
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


main()
