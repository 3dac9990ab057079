/** The demo's records: held-back ones of every shipped model, classified through the SDK. */
import type { InferenceCall, TrisealClient } from "../../client/index.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { labelOf } from "../../model/model-package.ts";
import { type HeldBackRecord, readHeldBack } from "./held-back.ts";
import { type DemoPlace, type LeftBundle, leaveBundle } from "./left-bundle.ts";
import { pictureOf } from "./picture.ts";

/** One request of the demo. */
export interface RecordCase {
  readonly model: string;
  readonly row: number;
  /** The path that is to answer, or to confirm the answer. Sealed requests go to no prover: none here is attested. */
  readonly path: "tee" | "zk";
  readonly sealed: boolean;
  readonly parameters: JsonObject;
}

/** Records of every shipped model: sealed and in the clear, with and without facts. The last one is to be refused. */
export const RECORD_CASES: readonly RecordCase[] = [
  { model: "breast-cancer-logistic", row: 6, path: "tee", sealed: true, parameters: { classification: "personal" } },
  {
    model: "breast-cancer-logistic",
    row: 7,
    path: "tee",
    sealed: true,
    parameters: { classification: "personal", value_usd: 25_000 },
  },
  { model: "breast-cancer-mlp", row: 8, path: "tee", sealed: true, parameters: { classification: "personal" } },
  { model: "breast-cancer-mlp", row: 11, path: "tee", sealed: false, parameters: { classification: "internal" } },
  {
    model: "breast-cancer-logistic",
    row: 6,
    path: "zk",
    sealed: false,
    parameters: { classification: "personal", assurance: "proof" },
  },
  // A worker answers, and a proof of its run follows, which the SDK waits for.
  {
    model: "breast-cancer-logistic",
    row: 7,
    path: "zk",
    sealed: false,
    parameters: { classification: "personal", value_usd: 25_000 },
  },
  { model: "digits-mlp", row: 5, path: "tee", sealed: true, parameters: {} },
  { model: "digits-mlp", row: 42, path: "tee", sealed: false, parameters: {} },
  { model: "digits-mlp", row: 5, path: "zk", sealed: false, parameters: { assurance: "proof" } },
  { model: "digits-mlp", row: 8, path: "tee", sealed: true, parameters: { classification: "secret" } },
];

/** One line of the demo's output. */
export interface RecordAnswer extends LeftBundle {
  /** The path that the case is about. */
  readonly path: string;
  readonly model: string;
  readonly input: string;
  /** The model's label, or `refused`. */
  readonly answer: string;
  /** The label that people gave the record, or `refused` where policy forbids the request. */
  readonly expected: string;
  /** The model's score for its label; null for a refusal. */
  readonly score: number | null;
  /** Code of a refusal, or null. */
  readonly code: string | null;
  readonly ms: number;
  /** Of an integer model: whether the SDK saw that the commitment is one to the input that was sent; null for others. */
  readonly opened: boolean | null;
}

interface Answered {
  readonly answer: string;
  readonly score: number | null;
  readonly code: string | null;
  readonly expected: string;
  readonly receiptId: string;
  readonly bundle: Uint8Array;
  readonly opened: boolean | null;
}

function callOf(recordCase: RecordCase, record: HeldBackRecord): InferenceCall {
  const [input] = record.model.inputs;
  if (input === undefined) throw new TrisealError("MODEL_INVALID", "the model has no input");
  const tensor = { name: input.name, datatype: input.datatype, shape: [1, record.input.length], data: record.input };
  return { model: record.model.name, inputs: [tensor], parameters: recordCase.parameters, seal: recordCase.sealed };
}

async function classify(client: TrisealClient, recordCase: RecordCase, record: HeldBackRecord): Promise<Answered> {
  const expectsRefusal = recordCase.parameters["classification"] === "secret";
  try {
    const { response, receiptId, bundle, commitment } = await client.infer(callOf(recordCase, record));
    const opened = commitment?.opened ?? null;
    const label = labelOf(record.model, response.outputs);
    const expected = expectsRefusal ? "refused" : record.expected;
    return { answer: label?.label ?? "no label", score: label?.score ?? null, code: null, expected, receiptId, bundle, opened };
  } catch (error) {
    const receiptId = isTrisealError(error) ? error.details["receiptId"] : null;
    if (!isTrisealError(error) || typeof receiptId !== "string") throw error;
    const expected = expectsRefusal ? "refused" : record.expected;
    const bundle = await client.bundle(receiptId);
    return { answer: "refused", score: null, code: error.code, expected, receiptId, bundle, opened: null };
  }
}

async function runCase(
  index: number,
  recordCase: RecordCase,
  record: HeldBackRecord,
  client: TrisealClient,
  place: DemoPlace,
): Promise<RecordAnswer> {
  const begun = performance.now();
  const { bundle, receiptId: _, ...answered } = await classify(client, recordCase, record);
  const ms = Math.round((performance.now() - begun) * 10) / 10;
  const facts = Object.keys(recordCase.parameters).length === 0 ? "no facts stated" : JSON.stringify(recordCase.parameters);
  return {
    path: recordCase.path,
    model: record.model.name,
    input: `held-back row ${recordCase.row}, ${record.input.length} values, ${recordCase.sealed ? "sealed" : "in the clear"}, ${facts}`,
    ...answered,
    ms,
    ...(await leaveBundle(bundle, index + 1, recordCase.model, place)),
  };
}

/** Who answered, and who confirmed that. */
function pathsText([first, ...others]: readonly string[]): string {
  if (first === undefined) return "none";
  return others.length === 0 ? first : `${first}, confirmed by ${others.join(" and ")}`;
}

/** A score: integer forms give integers. */
function scoreText({ score, opened }: RecordAnswer): string {
  return opened === null ? (score?.toFixed(3) ?? "no score") : String(score ?? "no score");
}

/** @param picture lines that show the input; none where it is no picture. */
function printAnswer(answer: RecordAnswer, picture: readonly string[]): void {
  const right = answer.answer === answer.expected ? "as expected" : `expected ${answer.expected}`;
  const how = answer.code ?? scoreText(answer);
  console.log(`${answer.model}`);
  console.log(`  input     ${answer.input}`);
  for (const line of picture) console.log(`            ${line}`);
  console.log(`  answer    ${answer.answer} (${how}), ${right}`);
  console.log(`  path      ${pathsText(answer.legs)}: ${answer.why}`);
  console.log(`  receipt   ${answer.receiptId}, ${answer.ms} ms with appraisal, sealing and verification`);
  if (answer.opened !== null) {
    const text = answer.opened ? "opens to the input that was sent, and the outputs are the answer's" : "WAS NOT OPENED";
    console.log(`  commitment ${text}`);
  }
  console.log(
    `  bundle    ${answer.bundle}: ${answer.verified ? "verifies with the trust file, is refused without it" : "DOES NOT VERIFY"}\n`,
  );
}

/** Sends the cases one after the other, leaves their bundles, and prints each answer. */
export async function runRecords(
  client: TrisealClient,
  cases: readonly RecordCase[],
  place: DemoPlace,
  { json }: { readonly json?: true },
): Promise<readonly RecordAnswer[]> {
  const answers: RecordAnswer[] = [];
  for (const [index, recordCase] of cases.entries()) {
    const record = await readHeldBack(recordCase.model, recordCase.row, recordCase.path === "zk");
    const answer = await runCase(index, recordCase, record, client, place);
    answers.push(answer);
    const isProvenPicture = recordCase.path === "zk" && record.model.inputs[0]?.name === "pixels";
    if (json) console.log(JSON.stringify(answer));
    else printAnswer(answer, isProvenPicture ? pictureOf(record.input) : []);
  }
  return answers;
}
