/** What the models of a soak must answer, computed here: the float one by onnxruntime itself, the integer one by the reference executor. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { InferenceResponse } from "../../../src/core/oip.ts";
import { encodeInput } from "../../../src/model/integer/encode-input.ts";
import { parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { heldBackSet } from "../../e2e/gateway-harness.ts";
import { repository } from "../../e2e/gateway-process.ts";
import { FLOAT_MODEL, INTEGER_MODEL } from "./service.ts";

/** A record with the numbers that any answer to it must have. */
export interface Question {
  readonly model: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data: readonly number[];
  }[];
  /** Numbers of all outputs, in the order of their names. */
  readonly answer: readonly number[];
}

const ROWS = 16;
/** One runtime in two processes: equal but for the print of a float. */
const TOLERANCE = 1e-6;

async function floatQuestions(): Promise<readonly Question[]> {
  const session = await InferenceSession.create(join(repository, "models", FLOAT_MODEL, "model.onnx"));
  const { rows } = await heldBackSet(FLOAT_MODEL);
  return Promise.all(
    rows.slice(0, ROWS).map(async ({ input }): Promise<Question> => {
      const outputs = await session.run({ pixels: new Tensor("float32", Float32Array.from(input), [1, 64]) });
      const named = Object.entries(outputs).sort(([left], [right]) => (left < right ? -1 : 1));
      const answer = named.flatMap(([, { data }]) => Array.from(data as Iterable<number | bigint | string>, Number));
      return { model: FLOAT_MODEL, inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: [...input] }], answer };
    }),
  );
}

async function integerQuestions(): Promise<readonly Question[]> {
  const { model } = parseIntegerModel(readFileSync(join(repository, "models", "breast-cancer-logistic", "integer.json")));
  const checked = parseIntegerModel(readFileSync(join(repository, "models", "breast-cancer-logistic", "integer.json")));
  const { rows } = await heldBackSet("breast-cancer-logistic");
  return rows.slice(0, ROWS).map(({ input }) => ({
    model: INTEGER_MODEL,
    inputs: [{ name: model.input.name, datatype: "FP32", shape: [1, input.length], data: [...input] }],
    answer: [...runInteger(checked, encodeInput(model.input, input))],
  }));
}

/** Records of both models. */
export async function soakQuestions(): Promise<{ readonly float: readonly Question[]; readonly integer: readonly Question[] }> {
  return { float: await floatQuestions(), integer: await integerQuestions() };
}

/** What is wrong about an answer, in words without its content; null where nothing is. */
export function wrongAnswer({ answer, model }: Question, response: InferenceResponse): string | null {
  if (response.modelName !== model) return `the model is ${response.modelName}`;
  const named = [...response.outputs].sort((left, right) => (left.name < right.name ? -1 : 1));
  const numbers = named.flatMap(({ data }) => Array.from(data as Iterable<number | bigint | string>, Number));
  if (numbers.length !== answer.length) return `${numbers.length} numbers of ${answer.length}`;
  const off = numbers.findIndex((value, at) => !(Math.abs(value - (answer[at] ?? Number.NaN)) <= TOLERANCE));
  return off < 0 ? null : `number ${off} is another`;
}
