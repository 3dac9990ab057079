import { describe, expect, it } from "vitest";
import { traceFloat } from "../../../src/model/float/run-float.ts";
import { importOnnx, SUPPORTED_OPS } from "../../../src/model/onnx/import-onnx.ts";
import { tensorMessage } from "../../../src/model/onnx/message-writer.ts";
import { type Draft, draftOnnx, long, message, part, text } from "./onnx-draft.ts";

const dense: Draft = {
  nodes: [{ op: "Gemm", inputs: ["x", "w", "b"], output: "y" }],
  constants: { w: { shape: [2, 1], data: [2, 3] }, b: { shape: [1], data: [1] } },
};
const invalid = expect.objectContaining({ code: "MODEL_INVALID" });
const unsupported = expect.objectContaining({ code: "MODEL_UNSUPPORTED" });
const load = (draft: Partial<Draft>) => importOnnx(draftOnnx({ ...dense, ...draft }));
const output = (draft: Partial<Draft>, sample: number[]) => [...(traceFloat(load(draft), sample).at(-1) ?? [])];
const tensor =
  (write: Parameters<typeof message>[0]): NonNullable<Draft["extra"]> =>
  (graph) =>
    part(graph, 5, message(write));

describe("an ONNX file", () => {
  it("is read as one input, one output and the operations between", () => {
    expect(load({})).toMatchObject({ input: { name: "x", shape: [2] }, output: { name: "y", meaning: "scores", offset: 0 } });
    expect(output({}, [10, 100])).toEqual([321]);
  });

  it.each([11, 13, 17, 21])("is read in opset %i", (version) => {
    expect(load({ opsets: [["", version]] }).ops).toHaveLength(1);
  });

  it.each([10, 22, 0])("is refused in opset %i", (version) => {
    expect(() => load({ opsets: [["", version]] })).toThrow(unsupported);
  });

  it.each<[string, Partial<Draft>]>([
    ["an initialiser that stands twice", { extra: (graph) => part(graph, 5, tensorMessage("w", "float", [2, 1], [1, 1])) }],
    [
      "a tensor whose data stand in another file",
      {
        extra: tensor((writer) => {
          long(writer, 1, 1);
          long(writer, 2, 1);
          text(writer, 8, "far");
          part(
            writer,
            13,
            message((entry) => text(text(entry, 1, "location"), 2, "../../etc/passwd")),
          );
          long(writer, 14, 1);
        }),
      },
    ],
    ["NaN among the weights", { constants: { w: { shape: [2, 1], data: [Number.NaN, 1] }, b: { shape: [1], data: [0] } } }],
    ["infinity among the weights", { constants: { w: { shape: [2, 1], data: [1, 1] }, b: { shape: [1], data: [-Infinity] } } }],
    [
      "a tensor that claims more elements than it has",
      {
        extra: tensor((writer) => {
          long(writer, 1, 1_000_000);
          long(writer, 1, 1_000_000);
          long(writer, 2, 1);
          text(writer, 8, "huge");
        }),
      },
    ],
    [
      "a length beyond 2^53",
      {
        extra: tensor((writer) => {
          long(writer, 1, 2n ** 60n);
          long(writer, 2, 1);
          text(writer, 8, "huge");
        }),
      },
    ],
    [
      "a negative length",
      {
        extra: tensor((writer) => {
          long(writer, 1, -1);
          long(writer, 2, 1);
          text(writer, 8, "less");
        }),
      },
    ],
    ["an input without a batch axis", { input: { shape: [] } }],
    ["an input that leaves a second axis free", { input: { shape: [null, null] } }],
    ["an input of huge axes", { input: { shape: [null, 2 ** 20, 2 ** 20] } }],
    ["an output that nothing makes", { outputs: ["z"] }],
    [
      "weights that do not fit",
      {
        nodes: [{ op: "Conv", inputs: ["x", "w"], output: "y" }],
        input: { shape: [null, 2, 1, 1] },
        constants: { w: { shape: [1, 3, 1, 1], data: [1, 1, 1] } },
      },
    ],
  ])("is refused for %s", (_, change) => {
    expect(() => load(change)).toThrow(invalid);
  });

  it("is refused where it is no protobuf, is cut short, or names no graph", () => {
    const bytes = draftOnnx(dense);
    expect(() => importOnnx(new Uint8Array())).toThrow(invalid);
    expect(() => importOnnx(new TextEncoder().encode("not a model"))).toThrow(invalid);
    for (let length = 1; length < bytes.length; length += 7) {
      expect(() => importOnnx(bytes.subarray(0, length))).toThrow(expect.objectContaining({ name: "TrisealError" }));
    }
  });

  it("never fails otherwise than with a coded error, whatever byte of it changes", () => {
    const bytes = draftOnnx(dense);
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ flip;
        try {
          importOnnx(changed);
        } catch (error) {
          expect(error).toMatchObject({ name: "TrisealError", code: expect.stringMatching(/^MODEL_(?:INVALID|UNSUPPORTED)$/) });
        }
      }
    }
  });

  it.each<[string, Partial<Draft>]>([
    ["an operation that integer models have not", { nodes: [{ op: "LayerNormalization", inputs: ["x", "w"], output: "y" }] }],
    [
      "an operation of a domain that it does not know",
      { nodes: [{ op: "Gemm", inputs: ["x", "w"], output: "y", domain: "com.example" }] },
    ],
    ["an attribute that it does not know", { nodes: [{ op: "Relu", inputs: ["x"], output: "y", attributes: { slope: 2 } }] }],
    ["a transposed input", { nodes: [{ op: "Gemm", inputs: ["x", "w"], output: "y", attributes: { transA: 1 } }] }],
    ["weights that depend on the input", { nodes: [{ op: "MatMul", inputs: ["x", "x"], output: "y" }] }],
    [
      "a sigmoid that is not at the output",
      {
        nodes: [
          { op: "Sigmoid", inputs: ["x"], output: "s" },
          { op: "Relu", inputs: ["s"], output: "y" },
        ],
      },
    ],
    ["a batch of fixed length", { input: { shape: [16, 2] } }],
    ["an input of integers", { input: { shape: [null, 2], type: 7 } }],
    ["a reader of what is made later", { nodes: [{ op: "Relu", inputs: ["z"], output: "y" }] }],
    ["two outputs", { nodes: [...dense.nodes, { op: "Relu", inputs: ["y"], output: "z" }], outputs: ["y", "z"] }],
    [
      "pooling that rounds up",
      {
        nodes: [{ op: "MaxPool", inputs: ["x"], output: "y", attributes: { kernel_shape: [2, 2], ceil_mode: 1 } }],
        input: { shape: [null, 1, 3, 3] },
      },
    ],
    [
      "padding that the mean does not count",
      {
        nodes: [{ op: "AveragePool", inputs: ["x"], output: "y", attributes: { kernel_shape: [2, 2], pads: [1, 0, 0, 0] } }],
        input: { shape: [null, 1, 3, 3] },
      },
    ],
  ])("is unsupported with %s", (_, change) => {
    expect(() => load(change)).toThrow(unsupported);
  });

  it("is unsupported with a message that names operation and node and says what to do", () => {
    const nodes = [{ op: "Erf", inputs: ["x"], output: "activation7" }];
    expect(() => load({ nodes })).toThrow(/`Erf` node `activation7`: .*serve the model on the tee path/);
  });

  it("folds constants into the layer before: sums, products and batch normalisation", () => {
    const constants = { ...dense.constants, two: { shape: [], data: [2] } };
    const behind = (op: string, inputs: string[]) => ({
      nodes: [...dense.nodes.map((node) => ({ ...node, output: "h" })), { op, inputs, output: "y" }],
      constants,
    });
    expect(load(behind("Add", ["h", "two"])).ops).toHaveLength(1);
    expect(output(behind("Add", ["h", "two"]), [1, 1])).toEqual([8]);
    expect(output(behind("Sub", ["two", "h"]), [1, 1])).toEqual([-4]);
    expect(output(behind("Mul", ["h", "two"]), [1, 1])).toEqual([12]);
    expect(output(behind("Div", ["h", "two"]), [1, 1])).toEqual([3]);
    const norm = {
      g: { shape: [1], data: [3] },
      s: { shape: [1], data: [1] },
      m: { shape: [1], data: [2] },
      v: { shape: [1], data: [4] },
    };
    const [value = 0] = output(
      { ...behind("BatchNormalization", ["h", "g", "s", "m", "v"]), constants: { ...constants, ...norm } },
      [1, 1],
    );
    expect(value).toBeCloseTo((3 * (6 - 2)) / Math.sqrt(4 + 1e-5) + 1, 9);
  });

  it("reads transposed constants, reshapes of constants and of values, and chains that change nothing", () => {
    const nodes = [
      { op: "Transpose", inputs: ["v"], output: "w" },
      { op: "Reshape", inputs: ["x", "keep"], output: "r" },
      { op: "Identity", inputs: ["r"], output: "i" },
      { op: "MatMul", inputs: ["i", "w"], output: "y" },
    ];
    const draft = { nodes, constants: { v: { shape: [1, 2], data: [2, 3] } }, shapes: { keep: [0, -1] } };
    expect(output(draft, [10, 100])).toEqual([320]);
    expect(load(draft).ops).toHaveLength(1);
  });

  it("leaves a softmax at the output out, says so, and takes its arg-max from the logits", () => {
    const soft = [...dense.nodes.map((node) => ({ ...node, output: "h" })), { op: "Softmax", inputs: ["h"], output: "p" }];
    const model = load({ nodes: soft });
    expect(model.output.meaning).toBe("logits");
    expect(model.notes.join()).toContain("`Softmax` node `p` is monotone");
    const top = load({ nodes: [...soft, { op: "ArgMax", inputs: ["p"], output: "y", attributes: { axis: 1 } }] });
    expect(top.output.meaning).toBe("class");
    expect(top.ops.map(({ op }) => op)).toEqual(["linear", "arg-max"]);
  });

  it("can be made of every operation that the project promises", () => {
    const promised =
      "Gemm MatMul Add Conv BatchNormalization Relu Clip AveragePool GlobalAveragePool MaxPool Flatten Reshape Transpose Concat ArgMax Sigmoid Softmax TreeEnsembleClassifier TreeEnsembleRegressor LinearClassifier LinearRegressor";
    expect(promised.split(" ").filter((op) => !SUPPORTED_OPS.includes(op))).toEqual([]);
  });
});
