"""Calls an Open Inference Protocol server with NVIDIA's tritonclient, which knows nothing of Triseal. Prints one JSON line."""

import json
import sys

import numpy
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

MODEL = "digits-mlp"
address, row = sys.argv[1], json.loads(sys.argv[2])
client = InferenceServerClient(address)


def ask(model, binary, **more):
    tensor = InferInput("pixels", [1, len(row)], "FP32")
    tensor.set_data_from_numpy(numpy.array([row], dtype=numpy.float32), binary_data=binary)
    outputs = [InferRequestedOutput("probabilities", binary_data=binary)]
    return client.infer(model, [tensor], outputs=outputs, request_id="42", **more)


def scores(binary):
    answer = ask(MODEL, binary, parameters={"classification": "internal"})
    return {"id": answer.get_response()["id"], "scores": answer.as_numpy("probabilities")[0].tolist()}


def refusal(model, **more):
    try:
        ask(model, True, **more)
    except InferenceServerException as error:
        return [error.status(), error.message().split(":")[0]]
    return None


print(
    json.dumps(
        {
            "ready": client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL),
            "metadata": client.get_model_metadata(MODEL, "1"),
            "json": scores(False),
            "binary": scores(True),
            "unknown": refusal("nothing"),
            "denied": refusal(MODEL, parameters={"classification": "secret"}),
        }
    )
)
