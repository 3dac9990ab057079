# SPDX-License-Identifier: Apache-2.0
"""ezkl as a peer of the bench: one JSON request a line on standard input, one JSON answer a line on standard output.

{"op": "prepare", "onnx", "folder", "sample", "scale", "cols", "base", "legs", "logrows"} makes settings, circuit, keys and a witness;
{"op": "prove", "folder"} proves and verifies once. Times are milliseconds.
"""

import asyncio
import importlib.metadata
import inspect
import json
import os
import resource
import sys
import time
from pathlib import Path

import ezkl
import onnx


def leave_room():
    """No more than three quarters of the machine: a key that needs more fails here, and ends no other process."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def logits(source, target):
    """The model without a Softmax or Sigmoid at its end: ezkl then proves what Triseal proves."""
    model = onnx.load(source)
    graph = model.graph
    last = graph.node[-1]
    if last.op_type in ("Softmax", "Sigmoid"):
        graph.output[0].name = last.input[0]
        graph.node.remove(last)
    onnx.save(model, target)
    return [(axis.dim_param, 1) for axis in graph.input[0].type.tensor_type.shape.dim if axis.dim_param]


async def call(function, *arguments):
    """Some versions of ezkl hand back coroutines where others do the work at once."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


async def prepare(job):
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    path = {name: str(folder / name) for name in ("model.onnx", "settings", "circuit", "srs", "pk", "vk", "witness", "input")}
    args = ezkl.PyRunArgs()
    args.variables = logits(job["onnx"], path["model.onnx"])
    args.input_visibility, args.param_visibility, args.output_visibility = "private", "fixed", "public"
    args.input_scale = args.param_scale = job["scale"]
    args.num_inner_cols, args.decomp_base, args.decomp_legs = job["cols"], job["base"], job["legs"]
    args.logrows = job["logrows"]
    Path(path["input"]).write_text(json.dumps({"input_data": [job["sample"]]}))
    ezkl.gen_settings(path["model.onnx"], path["settings"], py_run_args=args)
    settings = json.loads(Path(path["settings"]).read_text())
    ezkl.compile_circuit(path["model.onnx"], path["circuit"], path["settings"])
    ezkl.gen_srs(path["srs"], job["logrows"])
    started = time.perf_counter()
    ezkl.setup(path["circuit"], path["vk"], path["pk"], path["srs"])
    setup = (time.perf_counter() - started) * 1000
    await call(ezkl.gen_witness, path["input"], path["circuit"], path["witness"], path["vk"], path["srs"])
    return {
        "setupMs": setup,
        "rows": settings["num_rows"],
        "logrows": settings["run_args"]["logrows"],
        "provingKeyBytes": Path(path["pk"]).stat().st_size,
    }


def prove(job):
    at = {name: str(Path(job["folder"]) / name) for name in ("settings", "circuit", "srs", "pk", "vk", "witness", "proof")}
    started = time.perf_counter()
    # Reading the key from disk is inside: ezkl offers no other way.
    proof = ezkl.prove(at["witness"], at["circuit"], at["pk"], at["proof"], at["srs"])
    proved = time.perf_counter()
    if not ezkl.verify(at["proof"], at["settings"], at["vk"], at["srs"]):
        raise RuntimeError("the proof does not verify")
    verified = time.perf_counter()
    size = len(proof["proof"]) // 2 - 1 if isinstance(proof["proof"], str) else len(proof["proof"])
    return {"proveMs": (proved - started) * 1000, "verifyMs": (verified - proved) * 1000, "proofBytes": size}


def main():
    leave_room()
    versions = {name: importlib.metadata.version(name) for name in ("ezkl", "onnx")}
    print(json.dumps({"ready": True, "versions": versions}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = asyncio.run(prepare(job)) if job["op"] == "prepare" else prove(job)
            answer["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        except BaseException as error:  # noqa: BLE001 - ezkl panics with exceptions of its own
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


main()
