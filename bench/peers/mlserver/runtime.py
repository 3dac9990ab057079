# SPDX-License-Identifier: Apache-2.0
"""The custom runtime that MLServer serves an ONNX model with: FP32 tensors, one thread per run, no batching.

A tensor of datatype BYTES is the little-endian elements of an FP32 tensor in base64, with its shape in the parameter "shape": a
convention of this bench alone, for what is left of a request where nobody spells numbers.
"""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceResponse


class OnnxRuntime(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, options, providers=["CPUExecutionProvider"])
        self.outputs_named = [output.name for output in self.session.get_outputs()]
        return True

    def elements(self, tensor):
        if tensor.datatype != "BYTES":
            return self.decode(tensor, default_codec=NumpyCodec).astype(np.float32, copy=False).reshape(tensor.shape)
        [raw] = Base64Codec.decode_input(tensor)
        return np.frombuffer(raw, dtype="<f4").reshape(tensor.parameters.shape)

    async def predict(self, payload):
        feeds = {tensor.name: self.elements(tensor) for tensor in payload.inputs}
        results = zip(self.outputs_named, self.session.run(self.outputs_named, feeds), strict=True)
        if payload.inputs[0].datatype == "BYTES":
            outputs = [Base64Codec.encode_output(name, [array.tobytes()], use_bytes=False) for name, array in results]
        else:
            outputs = [NumpyCodec.encode_output(name, array) for name, array in results]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)
