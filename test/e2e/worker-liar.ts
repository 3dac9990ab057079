/**
 * A worker that lies: real keys, real evidence, real models, the real protocol, and for each request the lie whose name
 * stands in the file of the environment variable `LIE_FILE`. `honest` tells the truth.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { createSimulatedAttester } from "../../enclave/attester/simulated.ts";
import { listWorkerFiles } from "../../enclave/image/released-file.ts";
import { type AcceptedFrame, acceptFrame, answerFrame, type WorkerParts } from "../../enclave/worker/answer-request.ts";
import { parseWorkerConfig, type WorkerConfig } from "../../enclave/worker/config.ts";
import { KeyRing } from "../../enclave/worker/key-ring.ts";
import { ModelLanes } from "../../enclave/worker/model-lane.ts";
import { ReplayGuard } from "../../enclave/worker/replay-guard.ts";
import { type ReportParts, reportEvidence } from "../../enclave/worker/report-evidence.ts";
import { makeBinding } from "../../src/core/binding.ts";
import { concatBytes, utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { factsDigest } from "../../src/core/oip.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { readPackages } from "../../src/model/read/read-package.ts";
import { openRequest } from "../../src/paths/tee/wire/envelope.ts";
import { decodeAnswerHead, encodeFrame, parseFrame } from "../../src/paths/tee/wire/frame.ts";
import { workerFilesDigest } from "../../src/paths/tee/wire/keyset.ts";
import { parseTeeLeg, signTeeLeg, type TeeLegStatement } from "../../src/paths/tee/wire/leg.ts";
import { createSigner, generateKey } from "../../src/signing/ed25519-signer.ts";

const clock = () => unixSeconds(Math.floor(Date.now() / 1000));

interface Honest {
  readonly frame: Uint8Array;
  readonly leg: Uint8Array;
  readonly sealed: Uint8Array;
}

/** What a lie is told with. */
interface Telling {
  readonly accepted: AcceptedFrame;
  readonly honest: Honest;
  /** The honest answer to the request before. */
  readonly previous: Honest;
  readonly response: ServerResponse;
}

function framed(leg: Uint8Array, sealed: Uint8Array): Uint8Array {
  return encodeFrame({ v: 1, legLength: leg.length, requestGuessable: false }, leg, sealed);
}

function taken(frame: Uint8Array): Honest {
  const { head, body } = parseFrame(frame, decodeAnswerHead);
  return { frame, leg: body.slice(0, head.legLength), sealed: body.slice(head.legLength) };
}

/** The answer with its leg changed and signed again, by the worker's own key unless another is given. */
function resigned(
  { accepted, honest }: Telling,
  change: (of: TeeLegStatement) => TeeLegStatement,
  key = accepted.generation.legSigner,
) {
  return framed(signTeeLeg(change(parseTeeLeg(honest.leg).statement), key), honest.sealed);
}

function rebound(telling: Telling, change: Partial<TeeLegStatement["binding"]>): Uint8Array {
  return resigned(telling, (statement) => ({ ...statement, binding: { ...statement.binding, ...change } }));
}

const other = digestOf(utf8("something else"));

/** A leg that fits, over another opened response than the model's: only what stands in it can give it away. */
async function consistent({ accepted }: Telling, response: (id: unknown) => unknown): Promise<Uint8Array> {
  const { head, envelope, envelopeBytes, generation, model } = accepted;
  const opened = await openRequest(envelope, generation.sealKeys);
  const { id } = JSON.parse(new TextDecoder().decode(opened.plaintext)) as { id: unknown };
  const said = response(id);
  const body = utf8(typeof said === "string" ? said : JSON.stringify(said));
  const sealed = await opened.sealResponse(body);
  const context = { modelDigest: model.digest, decisionDigest: head.decisionDigest, nonce: head.nonce };
  const statement: TeeLegStatement = {
    binding: makeBinding(context, digestOf(opened.plaintext), digestOf(body)),
    factsDigest: factsDigest(envelope.facts),
    wire: { requestDigest: digestOf(envelopeBytes), responseDigest: digestOf(sealed) },
    inputCommitment: null,
    outputs: null,
  };
  return framed(signTeeLeg(statement, generation.legSigner), sealed);
}

const row = { name: "root", datatype: "FP32", shape: [1], data: [7] };

function outputs(...list: readonly object[]) {
  return (id: unknown) => ({ model_name: "root", model_version: "7", id, outputs: list });
}

function json(response: ServerResponse, status: number, value: object): null {
  const body = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
  return null;
}

/** Writes the first half of a frame that is announced in full. */
function half({ response, honest }: Telling): void {
  response.writeHead(200, { "content-length": honest.frame.length });
  response.write(honest.frame.subarray(0, honest.frame.length / 2));
}

/** Every lie: the frame to answer with, or null where it has answered or does not mean to. */
const lies: Readonly<Record<string, (telling: Telling) => Uint8Array | null | Promise<Uint8Array | null>>> = {
  honest: ({ honest }) => honest.frame,
  garbage: () => crypto.getRandomValues(new Uint8Array(2000)),
  nothing: () => new Uint8Array(),
  "an error under status 200": () => utf8('{"code":"WORKER_OVERLOADED","message":"full"}'),
  "cut short": ({ honest }) => honest.frame.slice(0, -10),
  "cut in the leg": ({ honest }) => honest.frame.slice(0, 300),
  "something behind": ({ honest }) => Uint8Array.from([...honest.frame, 0]),
  "the answer before": ({ previous }) => previous.frame,
  "the leg before": ({ previous, honest }) => framed(previous.leg, honest.sealed),
  "the body before": ({ previous, honest }) => framed(honest.leg, previous.sealed),
  "another key under its name": (telling) => resigned(telling, (same) => same, createSigner("leg-1", generateKey())),
  "a key of another name": (telling) => resigned(telling, (same) => same, createSigner("leg-2", generateKey())),
  "another nonce": (telling) => rebound(telling, { nonce: "0".repeat(32) }),
  "another decision": (telling) => rebound(telling, { decisionDigest: other }),
  "another model": (telling) => rebound(telling, { modelDigest: other }),
  "another opened request": (telling) => rebound(telling, { requestDigest: other }),
  "another opened response": (telling) => rebound(telling, { responseDigest: other }),
  "other facts": (telling) => resigned(telling, (statement) => ({ ...statement, factsDigest: other })),
  "another request on the wire": (telling) =>
    resigned(telling, (statement) => ({ ...statement, wire: { ...statement.wire, requestDigest: other } })),
  "no tensors": (telling) => consistent(telling, () => "hello"),
  "no outputs": (telling) => consistent(telling, outputs()),
  "another shape": (telling) => consistent(telling, outputs({ ...row, shape: [1, 1] })),
  "another datatype": (telling) => consistent(telling, outputs({ ...row, datatype: "FP64" })),
  "an extra output": (telling) => consistent(telling, outputs(row, { ...row, name: "more" })),
  "an output twice": (telling) => consistent(telling, outputs(row, row)),
  "fewer elements than its shape": (telling) => consistent(telling, outputs({ ...row, shape: [2] })),
  "the name of another model": (telling) => consistent(telling, (id) => ({ ...outputs(row)(id), model_name: "pick" })),
  "a refusal by policy": ({ response }) => json(response, 403, { code: "POLICY_DENIED", message: "no" }),
  "a log that is full": ({ response }) => json(response, 503, { code: "LOG_UNAVAILABLE", message: "full" }),
  "a repeat": ({ response }) => json(response, 409, { code: "IDEMPOTENCY_IN_FLIGHT", message: "wait" }),
  "a caller that left": ({ response }) => json(response, 499, { code: "CLIENT_ABORTED", message: "gone" }),
  "a status without words": ({ response }) => {
    response.writeHead(500).end("oops");
    return null;
  },
  "too much": () => new Uint8Array(2 * 1024 * 1024),
  "a reset in the middle": (telling) => {
    half(telling);
    setTimeout(() => telling.response.socket?.resetAndDestroy(), 20);
    return null;
  },
  "death in the middle": (telling) => {
    half(telling);
    setTimeout(() => process.kill(process.pid, "SIGKILL"), 20);
    return null;
  },
  silence: () => null,
  "a drip": (telling) => {
    telling.response.writeHead(200, { "content-length": telling.honest.frame.length });
    let at = 0;
    const drip = setInterval(() => telling.response.write(telling.honest.frame.subarray(at, ++at)), 50);
    telling.response.once("close", () => clearInterval(drip));
    return null;
  },
  "a loop without end": () => {
    for (;;) process.hrtime();
  },
};

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function serve(worker: WorkerParts, report: ReportParts) {
  let previous: Honest | null = null;
  const never = new AbortController().signal;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<Uint8Array | null> => {
    const body = await read(request);
    if (request.url === "/health") return utf8('{"ready":true}');
    if (request.url === "/evidence")
      return reportEvidence(report, (JSON.parse(body.toString()) as { nonce: string }).nonce, never);
    const accepted = acceptFrame(body, worker);
    const honest = taken(concatBytes(...(await answerFrame(accepted, worker, never))));
    const lie = lies[readFileSync(process.env["LIE_FILE"] ?? "", "utf8").trim()];
    if (lie === undefined) throw new Error("no such lie");
    const told = await lie({ accepted, honest, previous: previous ?? honest, response });
    previous = honest;
    return told;
  };
  return createServer((request, response) => {
    answer(request, response).then(
      (bytes) => bytes !== null && response.writeHead(200, { "content-length": bytes.length }).end(bytes),
      (error: unknown) => json(response, 500, { code: "INTERNAL", message: String(error).slice(0, 300) } satisfies JsonObject),
    );
  });
}

async function open(config: WorkerConfig) {
  const packages = await readPackages(config.modelsFolder ?? "");
  const models = packages.map(({ model }) => model);
  const files = await listWorkerFiles();
  const workerDigest = workerFilesDigest(files);
  if (config.attester.type !== "simulated") throw new Error("a liar has no hardware");
  const attester = await createSimulatedAttester(config.attester.seedFile, workerDigest);
  const keys = new KeyRing({ subject: config.name, lifetimeS: config.keysetLifetimeS, clock });
  const load = {
    models: packages.map(({ model, onnx }) => ({ name: model.name, onnx, answers: null })),
    executionProviders: ["cpu"],
    intraOpThreads: 1,
  } as const;
  const lanes = await ModelLanes.open(load, models, config, () => process.exit(1));
  const worker: WorkerParts = {
    models: new Map(models.map((model) => [model.name, model])),
    integers: new Map(),
    keys,
    guard: new ReplayGuard(config.replayCapacity),
    lanes,
    clock,
    maxTensorElements: config.maxTensorElements,
  };
  return serve(worker, { attester, keys, files, workerDigest, modelDigests: models.map((model) => model.digest).sort() });
}

const [line] = (await once(createInterface({ input: process.stdin }), "line")) as [string];
process.stdin.on("end", () => process.exit(0)).resume();
const server = (await open(parseWorkerConfig(utf8(line)))).listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;
process.stdout.write(`${JSON.stringify({ ready: true, port, provider: "cpu" })}\n`);
process.on("SIGTERM", () => process.exit(0));
