# SPDX-License-Identifier: Apache-2.0
"""A gRPC caller of MLServer: one JSON request a line on standard input, one JSON answer a line on standard output.

Arguments: address, model, and a file of {"name", "shape", "data": base64 of little-endian FP32} by input. {"calls": N} makes N
calls one after the other, {"seconds", "concurrency"} keeps so many going so long; the answer is {"times": [milliseconds], "seconds"}.
Elements travel as raw contents both ways.
"""

import asyncio
import base64
import json
import sys
import time

import grpc
import numpy as np
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import dataplane_pb2_grpc as stubs

NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def requests(model, file):
    for inputs in json.load(open(file, encoding="utf-8")):
        request = pb.ModelInferRequest(model_name=model)
        for tensor in inputs:
            request.inputs.add(name=tensor["name"], datatype="FP32", shape=tensor["shape"])
            request.raw_input_contents.append(base64.b64decode(tensor["data"]))
        yield request


async def call(stub, request):
    started = time.perf_counter()
    answer = await stub.ModelInfer(request)
    if len(answer.raw_output_contents) < 1 or not np.isfinite(np.frombuffer(answer.raw_output_contents[0], "<f4")).all():
        raise RuntimeError("an answer without elements")
    return (time.perf_counter() - started) * 1e3


async def serve(stub, job, payloads):
    times, sent = [], 0
    started = time.perf_counter()

    def more():
        return sent < job["calls"] if "calls" in job else time.perf_counter() - started < job["seconds"]

    async def one():
        nonlocal sent
        while more():
            sent += 1
            times.append(await call(stub, payloads[sent % len(payloads)]))

    await asyncio.gather(*(one() for _ in range(job.get("concurrency", 1))))
    return {"times": times, "seconds": time.perf_counter() - started}


async def main():
    address, model, file = sys.argv[1:]
    payloads = list(requests(model, file))
    async with grpc.aio.insecure_channel(address, options=NO_LIMIT) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                answer = await serve(stub, json.loads(line), payloads)
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                answer = {"error": f"{type(error).__name__}: {error}"[:300]}
            print(json.dumps(answer), flush=True)


asyncio.run(main())
