/** `triseal demo`: the main job on real records, end to end, with everything running on this machine. */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { type InferenceCall, TrisealClient } from "../client/index.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { labelOf } from "../model/model-package.ts";
import { parseDecision } from "../policy/index.ts";
import { eventOf, eventsOf, parseBundle } from "../receipt/index.ts";
import { EMPTY_TRUST, parseTrust, type Trust, verifyBundle } from "../verify/index.ts";
import { type DemoService, startDemoService } from "./demo/demo-service.ts";
import { type HeldBackRecord, readHeldBack } from "./demo/held-back.ts";
import { pictureOf } from "./demo/picture.ts";
import { systemClock } from "./system-clock.ts";

interface DemoFlags {
  readonly out: string;
  readonly path?: string;
  readonly json?: true;
}

interface DemoCase {
  readonly model: string;
  readonly row: number;
  /** The path that is to answer, or to confirm the answer. Sealed requests go to no prover: none here is attested. */
  readonly path: "tee" | "zk";
  readonly sealed: boolean;
  readonly parameters: JsonObject;
}

/** Records of every shipped model: sealed and in the clear, with and without facts. The last one is to be refused. */
const CASES: readonly DemoCase[] = [
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

/** Bundles of an earlier demo: all that a demo removes from its folder, besides its trust file. */
const BUNDLE_NAME = /^\d\d-[a-z-]+\.triseal\.json$/;

/** One line of the demo's output. */
interface DemoAnswer {
  /** The path that the case is about. */
  readonly path: string;
  /** Paths of the receipt: the first answered, the others confirmed. None of a refusal. */
  readonly legs: readonly string[];
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
  readonly rule: string;
  readonly why: string;
  readonly ms: number;
  readonly receiptId: string;
  readonly bundle: string;
  readonly verified: boolean;
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

function callOf(demoCase: DemoCase, record: HeldBackRecord): InferenceCall {
  const [input] = record.model.inputs;
  if (input === undefined) throw new TrisealError("MODEL_INVALID", "the model has no input");
  const tensor = { name: input.name, datatype: input.datatype, shape: [1, record.input.length], data: record.input };
  return { model: record.model.name, inputs: [tensor], parameters: demoCase.parameters, seal: demoCase.sealed };
}

async function classify(client: TrisealClient, demoCase: DemoCase, record: HeldBackRecord): Promise<Answered> {
  const expectsRefusal = demoCase.parameters["classification"] === "secret";
  try {
    const { response, receiptId, bundle, commitment } = await client.infer(callOf(demoCase, record));
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

/** Rule and reason of a bundle's decision, and what came of it. */
function decisionOf(bundle: Uint8Array): Pick<DemoAnswer, "legs" | "rule" | "why"> {
  const { receipt, blobs } = parseBundle(bundle);
  const legs = eventsOf(receipt, "leg.sealed").map(({ path }) => path);
  const event = eventOf(receipt, "policy.decided");
  const bytes = event === null ? undefined : blobs.get(event.decision_digest);
  if (bytes === undefined) return { legs, rule: "none", why: "refused before policy was asked" };
  const decision = parseDecision(bytes);
  return { legs, rule: decision.ruleIds.join(", "), why: decision.reason };
}

/** Whether the bundle verifies with the trust file, and is refused without it. */
async function verifies(bundle: Uint8Array, trust: Trust): Promise<boolean> {
  const options = { now: systemClock(), at: null, request: null, response: null, opening: null, allowPending: false };
  const trusted = await verifyBundle(bundle, trust, options);
  const untrusted = await verifyBundle(bundle, EMPTY_TRUST, options);
  return trusted.outcome === "accepted" && untrusted.outcome === "rejected";
}

async function runCase(
  index: number,
  demoCase: DemoCase,
  record: HeldBackRecord,
  client: TrisealClient,
  out: string,
  trust: Trust,
): Promise<DemoAnswer> {
  const begun = performance.now();
  const answered = await classify(client, demoCase, record);
  const ms = Math.round((performance.now() - begun) * 10) / 10;
  const file = join(out, `${String(index + 1).padStart(2, "0")}-${demoCase.model}.triseal.json`);
  await writeFile(file, answered.bundle);
  // Read back: what is checked is the file that stays.
  const verified = await verifies(new Uint8Array(await readFile(file)), trust);
  const facts = Object.keys(demoCase.parameters).length === 0 ? "no facts stated" : JSON.stringify(demoCase.parameters);
  return {
    path: demoCase.path,
    model: record.model.name,
    input: `held-back row ${demoCase.row}, ${record.input.length} values, ${demoCase.sealed ? "sealed" : "in the clear"}, ${facts}`,
    answer: answered.answer,
    expected: answered.expected,
    score: answered.score,
    code: answered.code,
    ...decisionOf(answered.bundle),
    ms,
    receiptId: answered.receiptId,
    bundle: file,
    verified,
    opened: answered.opened,
  };
}

/** Who answered, and who confirmed that. */
function pathsText([first, ...others]: readonly string[]): string {
  if (first === undefined) return "none";
  return others.length === 0 ? first : `${first}, confirmed by ${others.join(" and ")}`;
}

/** A score: integer forms give integers. */
function scoreText({ score, opened }: DemoAnswer): string {
  return opened === null ? (score?.toFixed(3) ?? "no score") : String(score ?? "no score");
}

/** @param picture lines that show the input; none where it is no picture. */
function printAnswer(answer: DemoAnswer, picture: readonly string[]): void {
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

async function runCases(service: DemoService, cases: readonly DemoCase[], flags: DemoFlags): Promise<readonly DemoAnswer[]> {
  const out = resolve(flags.out);
  await mkdir(out, { recursive: true });
  for (const name of await readdir(out)) if (BUNDLE_NAME.test(name)) await rm(join(out, name));
  await rm(join(out, "trust.yaml"), { force: true });
  await copyFile(service.trustFile, join(out, "trust.yaml"));
  const trust = parseTrust(new Uint8Array(await readFile(join(out, "trust.yaml"))));
  const client = new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust, clock: systemClock });
  const answers: DemoAnswer[] = [];
  for (const [index, demoCase] of cases.entries()) {
    const record = await readHeldBack(demoCase.model, demoCase.row, demoCase.path === "zk");
    const answer = await runCase(index, demoCase, record, client, flags.out, trust);
    answers.push(answer);
    const isProvenPicture = demoCase.path === "zk" && record.model.inputs[0]?.name === "pixels";
    if (flags.json) console.log(JSON.stringify(answer));
    else printAnswer(answer, isProvenPicture ? pictureOf(record.input) : []);
  }
  return answers;
}

async function demo(flags: DemoFlags): Promise<void> {
  const cases = CASES.filter(({ path }) => flags.path === undefined || path === flags.path);
  if (cases.length === 0) {
    throw new TrisealError(
      "PATH_UNAVAILABLE",
      `the path \`${flags.path}\` is not part of this version; the demo shows tee and zk`,
    );
  }
  if (!flags.json)
    console.log(
      "starting a test witness, a development gateway and its worker (evidence is simulated: no hardware is shown here)\n",
    );
  const proves = cases.some(({ path }) => path === "zk");
  if (proves && !flags.json)
    console.log("development keys for the proofs are made first, in seconds: whoever makes one can forge\n");
  const service = await startDemoService(systemClock(), proves);
  try {
    const answers = await runCases(service, cases, flags);
    const verified = answers.filter((answer) => answer.verified).length;
    const refused = answers.filter((answer) => answer.answer === "refused").length;
    const expected = answers.filter((answer) => answer.expected === "refused").length;
    if (!flags.json) {
      const refusal = `; the request that policy forbids was ${refused === expected ? "refused" : "NOT refused as expected"}`;
      console.log(
        `${verified} of ${answers.length} bundles verify offline with the trust file and are refused without it${expected === 0 ? "" : refusal}`,
      );
      console.log(`check them yourself:\n  npx triseal verify ${flags.out} --trust ${join(flags.out, "trust.yaml")}`);
    }
    if (verified !== answers.length || refused !== expected) process.exitCode = 1;
  } finally {
    await service.stop();
  }
}

/** Adds `demo` to the command line. */
export function addDemoCommand(program: Command): void {
  program
    .command("demo")
    .description("classify real held-back records through the whole system, on this machine")
    .option("--out <dir>", "folder for bundles and trust file; those of an earlier demo are replaced", "demo-out")
    .option("--path <path>", "keep to one path: tee or zk")
    .option("--json", "one JSON object per answer and line")
    .action(demo);
}
