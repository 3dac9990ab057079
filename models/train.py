# SPDX-License-Identifier: Apache-2.0
"""Trains the example models and writes their folders.

    python3 -m pip install -r models/requirements.txt
    python3 models/train.py            # writes beside this script
    python3 models/train.py DIR        # writes below DIR instead

Everything is seeded and runs on one thread, so with the versions in
requirements.txt two runs on the same kind of machine write the same bytes.

Each model's one setting (the strength of its regularisation) is chosen by
cross-validation inside the training split. The held-back split is used once,
at the very end, to measure the accuracy that goes into model.json.
"""

import os

# Must be set before numpy is loaded. One thread, and on x86 the same AVX2 code
# in OpenBLAS and numpy whether or not the processor also has AVX-512, so that
# sums are always added in one order.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["OPENBLAS_CORETYPE"] = "Haswell"
os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"

import hashlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skl2onnx import to_onnx

sys.dont_write_bytecode = True  # leave no __pycache__ beside the models
from check import measure

SEED = 20250101
HELD_BACK = 0.25
CALIBRATION_ROWS = 200
FOLDS = 5

OPSET = 17
IR_VERSION = 8

WDBC_SOURCE = {
    "name": "Breast Cancer Wisconsin (Diagnostic)",
    "source": "Wolberg, Mangasarian, Street and Street (1995), UCI Machine Learning "
              "Repository, doi:10.24432/C5DW2B",
    "licence": "CC-BY-4.0",
}
DIGITS_SOURCE = {
    "name": "Optical Recognition of Handwritten Digits (test part)",
    "source": "Alpaydin and Kaynak (1998), UCI Machine Learning Repository, "
              "doi:10.24432/C50P49",
    "licence": "CC-BY-4.0",
}


# --- Data -------------------------------------------------------------------

def split(x, y):
    """Stratified split into training rows, held-back rows and a sample of the
    training rows for calibrating quantisers. Returns three sorted index lists."""
    rows = np.arange(len(y))
    train, held = train_test_split(rows, test_size=HELD_BACK, stratify=y, random_state=SEED)
    sample, _ = train_test_split(
        train, train_size=CALIBRATION_ROWS, stratify=y[train], random_state=SEED)
    return np.sort(train), np.sort(held), np.sort(sample)


def significant(values, digits=6):
    """Rounds each value to so many significant decimal digits."""
    return np.array([float(f"{v:.{digits}g}") for v in values])


# --- Choosing the setting and fitting ----------------------------------------

def choose(label, make, settings, x, y, scale):
    """Returns the setting with the lowest mean log loss in cross-validation on
    the training rows. Where features are standardised, each fold computes its
    own mean and deviation, so that no fold sees the rows it is scored on."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    best = None
    for setting in settings:
        model = make_pipeline(StandardScaler(), make(setting)) if scale else make(setting)
        scores = cross_validate(model, x, y, cv=folds, scoring=("neg_log_loss", "accuracy"),
                                error_score="raise")
        loss = -scores["test_neg_log_loss"].mean()
        print(f"  {label}={setting:g}: cross-validated log loss {loss:.4f}, "
              f"accuracy {scores['test_accuracy'].mean():.4f}")
        if best is None or loss < best[0]:
            best = (loss, setting)
    print(f"  chosen: {label}={best[1]:g}")
    return best[1]


def logistic(c):
    return LogisticRegression(C=c, solver="lbfgs", tol=1e-8, max_iter=10000)


def mlp(hidden):
    # lbfgs suits data this small: full batches, no learning rate to choose.
    return lambda alpha: MLPClassifier(
        hidden_layer_sizes=(hidden,), activation="relu", solver="lbfgs",
        alpha=alpha, max_iter=50000, max_fun=200000, tol=1e-6, random_state=SEED)


# --- ONNX ---------------------------------------------------------------------

def onnx_bytes(name, input_name, output_name, layers, last):
    """Writes a chain of Gemm layers, Relu between them and `last` at the end.

    `layers` is a list of (weights [in, out], bias [out])."""
    nodes, initialisers, current = [], [], input_name
    for i, (w, b) in enumerate(layers, start=1):
        initialisers += [
            numpy_helper.from_array(np.ascontiguousarray(w, dtype=np.float32), f"w{i}"),
            numpy_helper.from_array(np.ascontiguousarray(b, dtype=np.float32), f"b{i}"),
        ]
        nodes.append(helper.make_node(
            "Gemm", [current, f"w{i}", f"b{i}"], [f"z{i}"], name=f"gemm{i}"))
        current = f"z{i}"
        if i < len(layers):
            nodes.append(helper.make_node("Relu", [current], [f"h{i}"], name=f"relu{i}"))
            current = f"h{i}"
    attributes = {"axis": 1} if last == "Softmax" else {}
    nodes.append(helper.make_node(last, [current], [output_name], name=last.lower(), **attributes))

    width_in, width_out = layers[0][0].shape[0], layers[-1][0].shape[1]
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", width_in])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["N", width_out])],
        initialisers)
    model = helper.make_model(
        graph, producer_name="triseal", ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)])
    checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


# --- Files ----------------------------------------------------------------------

def number(v):
    """A plain Python number; whole values without a decimal point."""
    v = float(v)
    return int(v) if v.is_integer() else v


def write(path, text):
    path.write_bytes(text.encode("utf-8"))


def rows_of(x, labels, index):
    return [{"x": [number(v) for v in x[i]], "label": labels[i]} for i in index]


def write_rows(path, name, rows):
    """One row per line."""
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    write(path, f'{{"v":1,"model":{json.dumps(name)},"rows":[\n{lines}\n]}}\n')


def publish(out, card, model, held, sample):
    """Writes one model's folder and measures the accuracy it states."""
    folder = out / card["name"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    card["accuracy"] = measure(card, model, held)
    write(folder / "model.json", json.dumps(card, indent=2) + "\n")
    write_rows(folder / "heldback.json", card["name"], held)
    write_rows(folder / "calibration.json", card["name"], sample)
    print(f"  held back: {card['accuracy']}, model.onnx {len(model)} bytes")


def card_of(name, title, description, model, dataset, inputs, outputs, labels):
    def tensor(n, width):
        return {"name": n, "datatype": "FP32", "shape": [-1, width]}
    return {
        "v": 1, "name": name, "version": "1", "title": title, "description": description,
        "digest": "sha256:" + hashlib.sha256(model).hexdigest(),
        "licence": "Apache-2.0", "dataset": dataset,
        "inputs": [tensor(*inputs)], "outputs": [tensor(*outputs)],
        "labels": labels, "paths": ["tee"],
    }


# --- The models -------------------------------------------------------------------

def breast_cancer(out):
    data = load_breast_cancer()
    x, y = data.data, 1 - data.target  # scikit-learn has 0 = malignant; here 1 = malignant
    names = ["benign", "malignant"]
    labels = [names[k] for k in y]
    train, held, sample = split(x, y)

    # Rounded before training, so the values in model.json are exactly those used.
    mean = significant(x[train].mean(axis=0))
    std = significant(x[train].std(axis=0))
    z = ((x[train] - mean) / std).astype(np.float32).astype(np.float64)

    def finish(card, model):
        card["standardize"] = {"mean": [number(v) for v in mean], "std": [number(v) for v in std]}
        card["features"] = [str(n) for n in data.feature_names]
        publish(out, card, model, rows_of(x, labels, held), rows_of(x, labels, sample))

    name = "breast-cancer-logistic"
    print(name)
    c = choose("C", logistic, (0.1, 0.3, 1, 3), x[train], y[train], scale=True)
    fit = logistic(c).fit(z, y[train])
    model = onnx_bytes(name, "features", "probability", [(fit.coef_.T, fit.intercept_)], "Sigmoid")
    finish(card_of(
        name, "Breast cancer, logistic regression",
        "Logistic regression over 30 measurements of cell nuclei in a breast mass; gives the "
        "probability that the mass is malignant. An example, not a medical device.",
        model, WDBC_SOURCE, ("features", 30), ("probability", 1), names), model)

    name = "breast-cancer-mlp"
    print(name)
    make = mlp(16)
    alpha = choose("alpha", make, (0.1, 0.3, 1, 3, 10), x[train], y[train], scale=True)
    fit = make(alpha).fit(z, y[train])
    (w1, w2), (b1, b2) = fit.coefs_, fit.intercepts_
    # For two classes scikit-learn trains one logistic unit, sigmoid(s). The
    # softmax of (-s/2, s/2) is the same function: its second value is sigmoid(s).
    w2, b2 = np.hstack([-w2 / 2, w2 / 2]), np.concatenate([-b2 / 2, b2 / 2])
    model = onnx_bytes(name, "features", "probabilities", [(w1, b1), (w2, b2)], "Softmax")
    finish(card_of(
        name, "Breast cancer, small neural network",
        "Network with one hidden layer of 16 units over 30 measurements of cell nuclei in a "
        "breast mass; gives the probabilities of benign and malignant. An example, not a "
        "medical device.",
        model, WDBC_SOURCE, ("features", 30), ("probabilities", 2), names), model)


def forest(out):
    trees(out, "breast-cancer-forest",
          lambda x, y: RandomForestClassifier(20, max_depth=6, random_state=SEED),
          "Breast cancer, decision trees", "Random forest of 20 trees of depth 6")


def tree(out):
    def make(leaf):
        return DecisionTreeClassifier(max_depth=4, min_samples_leaf=int(leaf), random_state=SEED)

    def chosen(x, y):
        return make(choose("min_samples_leaf", make, (1, 2, 4, 8, 16), x, y, scale=False))
    trees(out, "breast-cancer-tree", chosen, "Breast cancer, one decision tree", "Decision tree of depth 4")


def trees(out, name, make, title, what):
    data = load_breast_cancer()
    x, y = data.data.astype(np.float32), 1 - data.target  # the model compares FP32
    names = ["benign", "malignant"]
    labels = [names[k] for k in y]
    train, held, sample = split(x, y)

    print(name)
    fit = make(x[train], y[train]).fit(x[train], y[train])
    exported = to_onnx(fit, x[:1], options={"zipmap": False}, target_opset={"": OPSET, "ai.onnx.ml": 3})
    exported.graph.name = name  # the exporter makes a random one
    exported.ir_version = IR_VERSION
    checker.check_model(exported)
    model = exported.SerializeToString(deterministic=True)
    card = card_of(
        name, title,
        f"{what} over 30 measurements of cell nuclei in a breast mass, as "
        "they are; gives the probabilities of benign and malignant. An example, not a medical device.",
        model, WDBC_SOURCE, ("X", 30), ("probabilities", 2), names)
    card["features"] = [str(n) for n in data.feature_names]
    publish(out, card, model, rows_of(data.data, labels, held), rows_of(data.data, labels, sample))


def digits(out):
    data = load_digits()
    x, y = data.data, data.target
    names = [str(k) for k in range(10)]
    labels = [names[k] for k in y]
    train, held, sample = split(x, y)
    scaled = x[train] / 16  # 0..1

    name = "digits-mlp"
    print(name)
    make = mlp(32)
    alpha = choose("alpha", make, (0.03, 0.1, 0.3, 1, 3), scaled, y[train], scale=False)
    fit = make(alpha).fit(scaled, y[train])
    (w1, w2), (b1, b2) = fit.coefs_, fit.intercepts_
    # Dividing the weights by 16 instead of the pixels is exact: a power of two.
    model = onnx_bytes(name, "pixels", "probabilities", [(w1 / 16, b1), (w2, b2)], "Softmax")
    publish(out, card_of(
        name, "Handwritten digits, small neural network",
        "Network with one hidden layer of 32 units over 8x8 images of handwritten digits, row by "
        "row, each pixel 0 to 16; gives the probability of each digit.",
        model, DIGITS_SOURCE, ("pixels", 64), ("probabilities", 10), names),
        model, rows_of(x, labels, held), rows_of(x, labels, sample))


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    # A fit that stops before it has converged is a mistake here, not a warning.
    warnings.simplefilter("error", ConvergenceWarning)
    breast_cancer(out)
    forest(out)
    tree(out)
    digits(out)


if __name__ == "__main__":
    main()
