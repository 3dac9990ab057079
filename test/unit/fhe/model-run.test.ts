import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { type LoadedPackage, readPackage } from "../../../src/model/read/read-package.ts";
import { encodeRecord, modelRunUnder } from "../../../src/paths/fhe/client/model-run.ts";
import { frameCircuit, parseModelTerms } from "../../../src/paths/fhe/client/model-terms.ts";
import { modelProgram } from "../../../src/paths/fhe/server/model-program.ts";
import type { RunProgram } from "../../../src/paths/fhe/server/programs.ts";
import { assertLweInput, LWE_INPUT_BYTES } from "../../../src/paths/fhe/wire/lwe-file.ts";
import { encodeRunAnswer, parseRun } from "../../../src/paths/fhe/wire/run.ts";

const NONCE = "0a".repeat(16);
const KEY = "0b".repeat(32);
const TAG = "0c".repeat(16);

let program: RunProgram;
let logistic: LoadedPackage;

async function compiled(name: string): Promise<{ readonly program: RunProgram; readonly form: LoadedPackage }> {
  const [, form] = await readPackage(fileURLToPath(new URL(`../../../models/${name}`, import.meta.url)));
  if (form?.integer == null) throw new Error("no integer form");
  return { program: modelProgram(form.model, form.integer.checked), form };
}

beforeAll(async () => {
  ({ program, form: logistic } = await compiled("breast-cancer-logistic"));
});

const termsOf = (change: JsonObject = {}): JsonObject => ({
  ...program.terms,
  programDigest: program.digest,
  price: { pbs: 0, depth: 0 },
  ...change,
});

async function codeOf(work: () => unknown): Promise<unknown> {
  try {
    await work();
    return null;
  } catch (error) {
    return isTrisealError(error) ? error.code : error;
  }
}

const ciphertext = async () => new Uint8Array(LWE_INPUT_BYTES);
const under = (terms: JsonObject, encrypt = ciphertext) =>
  modelRunUnder({ nonce: NONCE, programDigest: program.digest, terms }, KEY, encrypt);

describe("the terms of a model", () => {
  it("say how to encode, encrypt and decrypt, and nothing of the weights", () => {
    const terms = parseModelTerms(termsOf());
    const frame = JSON.parse(new TextDecoder().decode(frameCircuit(terms.frame))) as JsonObject;
    expect(frame).toMatchObject({ kind: "lwe", nodes: [], tables: [], inputs: { count: 30 } });
    expect(terms.labels).toEqual(["benign", "malignant"]);
    expect(JSON.stringify(terms)).not.toContain("dot");
  });

  it("are refused where anything is missing, added or of another form", async () => {
    for (const change of [
      { kind: "radix" },
      { more: 1 },
      { frame: {} },
      { frame: { parameters: "x", inputs: { count: 0, exponent: 1 }, outputs: [] } },
      { frame: { parameters: "x", inputs: { count: 30, exponent: 64 }, outputs: [] } },
      { input: { name: "x", shape: [30], encoding: { kind: "none" } } },
      { standardize: { mean: [1] } },
      { labels: [1] },
      { circuitDigest: "sha256:0" },
    ] as JsonObject[])
      expect(await codeOf(() => parseModelTerms(termsOf(change)))).toBe("FORMAT_INVALID");
  });
});

describe("a record", () => {
  it("is standardised and encoded as the model's own executor takes it", () => {
    const terms = parseModelTerms(termsOf());
    const { mean } = logistic.model.standardize ?? { mean: [] };
    const { encoding } = terms.input;
    expect([...encodeRecord(terms, mean)]).toEqual(mean.map(() => (encoding.kind === "affine" ? encoding.zero : 0)));
  });

  it("is refused where it has another length, or a value that the encoding does not hold", async () => {
    const terms = parseModelTerms(termsOf());
    const { mean } = logistic.model.standardize ?? { mean: [] };
    for (const record of [[], mean.slice(1), [...mean, 1], mean.map(() => 1e9), mean.map(() => Number.NaN)])
      expect(await codeOf(() => encodeRecord(terms, record))).toBe("INPUT_OUT_OF_RANGE");
  });
});

describe("a run under a challenge", () => {
  it("is a document with one ciphertext, and reads an answer with one output", async () => {
    const { document, answer } = await under(termsOf());
    const run = parseRun(document);
    expect([run.programDigest, run.keyId, [...run.inputs.keys()], run.writes.size]).toEqual([program.digest, KEY, ["input"], 0]);
    const output = { n: "output", t: "lwe", handle: KEY, digest: digestOfJson("x"), bytes: 16_428 };
    const price = { pbs: 0, depth: 0 };
    expect(answer(encodeRunAnswer({ outputs: [output], price })).outputs).toEqual([output]);
    for (const outputs of [[], [{ ...output, n: "other" }], [output, { ...output, n: "more" }]])
      expect(await codeOf(() => answer(encodeRunAnswer({ outputs, price })))).toBe("FORMAT_INVALID");
  });

  it("is not made where the challenge shows another model, a frame of another length, or nothing was encrypted", async () => {
    expect(await codeOf(() => under(termsOf({ programDigest: digestOfJson("another") })))).toBe("VERIFICATION_FAILED");
    const frame = { parameters: "x", inputs: { count: 29, exponent: 1 }, outputs: [[[1, 1]]] };
    expect(await codeOf(() => under(termsOf({ frame })))).toBe("FORMAT_INVALID");
    expect(await codeOf(() => under(termsOf(), async () => new Uint8Array(1)))).toBe("FORMAT_INVALID");
  });
});

describe("the input of a model", () => {
  it("says what it is and under which key set", async () => {
    const honest = new Uint8Array(LWE_INPUT_BYTES);
    honest.set(utf8("triseal-lwe-in-1"));
    honest.set(Buffer.from(TAG, "hex"), 16);
    expect(await codeOf(() => assertLweInput(honest, TAG))).toBeNull();
    expect(await codeOf(() => assertLweInput(honest, "0d".repeat(16)))).toBe("FHE_INPUT_FOREIGN_KEY");
    for (const bytes of [honest.subarray(1), new Uint8Array(LWE_INPUT_BYTES), new Uint8Array([...honest, 0]), new Uint8Array()])
      expect(await codeOf(() => assertLweInput(bytes, TAG))).toBe("FHE_INPUT_MALFORMED");
  });
});

describe("a model that is not carried", () => {
  it("is refused when it is compiled", async () => {
    expect(await codeOf(() => compiled("breast-cancer-mlp"))).toBe("FHE_MODEL_UNSUPPORTED");
    expect(await codeOf(() => compiled("digits-mlp"))).toBe("FHE_MODEL_UNSUPPORTED");
  });
});
