/** The fuzz target `http`: a real gateway with its worker, fed over sockets with changed bodies, envelopes, addresses and whole requests. */
import { utf8 } from "../../src/core/bytes.ts";
import { coreCodes, type ErrorTable } from "../../src/core/errors.ts";
import { isJsonObject, parseJson } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { codes as teeCodes } from "../../src/paths/tee/wire/codes.ts";
import { SEALED_TYPES, sealRequest } from "../../src/paths/tee/wire/envelope.ts";
import { parseWorkerEvidence, type WorkerKeyset, workerKeysetDigest } from "../../src/paths/tee/wire/keyset.ts";
import { strongestSealKey } from "../../src/paths/tee/wire/seal-suite.ts";
import { decodeSession } from "../../src/receipt/session.ts";
import { clock, digitsBody, get, heldBack, infer, type Service, startService, workerOf } from "../e2e/gateway-harness.ts";
import { isRunning, residentMiB } from "../e2e/gateway-process.ts";
import type { FuzzTarget, Judged, Subject } from "./fuzz-target.ts";
import { exchangeRaw, type RawExchange, type RawResponse } from "./http-exchange.ts";

/** A case whose connection is open for longer has hung. */
const CASE_TIMEOUT_MS = 10_000;
/** How long a server may think before the sending side of a request that may be unfinished is closed. */
const QUIET_MS = 300;
/** Growth of the gateway's memory that ends a campaign. */
const MAX_GROWTH_MIB = 512;

const table: ErrorTable = { ...coreCodes, ...teeCodes };

/** Codes of 500 and above that a healthy, busy service may give. */
const SERVER_CODES = new Set(["OVERLOADED", "WORKER_OVERLOADED", "WORKER_FAILED", "DEADLINE_EXCEEDED"]);

function problemCode(body: Buffer): string | null {
  try {
    const problem = parseJson(new Uint8Array(body));
    return isJsonObject(problem) && typeof problem["code"] === "string" ? problem["code"] : null;
  } catch {
    return null;
  }
}

/** Judges one response: success, or a problem document whose code and status are those of the table. */
function judgeResponse(response: RawResponse, apiKey: string): Judged {
  const { status, headers, body } = response;
  const text = body.toString("latin1");
  if (text.includes(apiKey)) return { outcome: `${status}`, fault: "leak: an answer holds the API key" };
  if (/node:internal|\n\s+at |\/src\/|\/dist\//.test(text)) return { outcome: `${status}`, fault: `leak: ${text.slice(0, 200)}` };
  if (status < 400) return { outcome: `${status}`, fault: null };
  // Readiness is a report, not a refusal.
  if (status === 503 && /^\{.*"ready":false/.test(text)) return { outcome: "not ready", fault: null };
  const code = body.length === 0 && headers.get("content-type") !== undefined ? "HEAD" : problemCode(body);
  if (code === "HEAD") return { outcome: `${status}`, fault: null };
  const row = code === null || !Object.hasOwn(table, code) ? undefined : table[code];
  if (code === null || row === undefined) return { outcome: `${status}`, fault: `uncoded: ${status} ${text.slice(0, 200)}` };
  if (headers.get("content-type") !== "application/problem+json") return { outcome: code, fault: `media type: of ${code}` };
  if (row.status !== status) return { outcome: code, fault: `status: ${status} for ${code}` };
  if (status >= 500 && !SERVER_CODES.has(code)) return { outcome: code, fault: `server error: ${code} ${text.slice(0, 300)}` };
  return { outcome: code, fault: null };
}

function judgeExchange({ responses, rest, hung }: RawExchange, apiKey: string, mustAnswer: boolean): Judged {
  if (hung) return { outcome: "hung", fault: "hung: the connection was left open" };
  if (rest.length > 0) return { outcome: "torn", fault: `torn: ${rest.toString("latin1", 0, 120)}` };
  if (responses.length === 0) return { outcome: "closed", fault: mustAnswer ? "closed: a whole request had no answer" : null };
  const judged = responses.map((response) => judgeResponse(response, apiKey));
  return judged.find(({ fault }) => fault !== null) ?? judged[0] ?? { outcome: "none", fault: null };
}

/** Everything that subjects need of the service. */
interface Fed {
  readonly service: Service;
  readonly keyset: WorkerKeyset;
}

function head(service: Service, path: string, mediaType: string, length: number): Uint8Array {
  const lines = [
    `POST ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    `Authorization: Bearer ${service.apiKey}`,
    `Content-Type: ${mediaType}`,
    `Content-Length: ${length}`,
  ];
  return utf8(`${lines.join("\r\n")}\r\n\r\n`);
}

async function post({ service }: Fed, path: string, mediaType: string, body: Uint8Array): Promise<Judged> {
  const port = Number(new URL(service.url).port);
  const bytes = Buffer.concat([head(service, path, mediaType, body.length), body]);
  // The request is whole: only an answer may end it.
  const times = { quietMs: CASE_TIMEOUT_MS, timeoutMs: CASE_TIMEOUT_MS };
  return judgeExchange(await exchangeRaw(port, bytes, times), service.apiKey, true);
}

async function seal({ keyset }: Fed, model: string, body: Uint8Array): Promise<Uint8Array> {
  const clear = { model, keysetDigest: workerKeysetDigest(keyset), facts: {}, exp: unixSeconds(clock() + 200) };
  const key = strongestSealKey(keyset);
  if (key === null) throw new Error("the worker has no seal key");
  return (await sealRequest(clear, key, body)).body;
}

const INFER = "/v2/models/digits-mlp/infer";

async function bodies(): Promise<readonly Uint8Array[]> {
  const { input } = await heldBack("digits-mlp", 0);
  const facts = { classification: "personal", value_usd: 25_000, kind: "decision", assurance: "tee" };
  const outputs = [{ name: "probabilities" }];
  return [
    digitsBody(input),
    digitsBody([...input, ...input]),
    digitsBody(input, { parameters: facts }),
    digitsBody(input, { outputs }),
  ].map((body) => utf8(JSON.stringify(body)));
}

function wholeRequests(service: Service, body: Uint8Array, receiptId: string): readonly Uint8Array[] {
  const text = new TextDecoder().decode(body);
  const auth = `Host: 127.0.0.1\r\nAuthorization: Bearer ${service.apiKey}\r\n`;
  const json = `${auth}Content-Type: application/json\r\n`;
  const gets = [
    "/v2",
    "/v2/health/ready",
    "/v2/models/digits-mlp",
    "/v2/models/digits-mlp/versions/1/ready",
    `/v1/aci/attestation?nonce=${"0a".repeat(32)}`,
    "/v1/aci/sessions?model=digits-mlp",
    `/v1/aci/receipts/${receiptId}`,
    `/v1/receipts/${receiptId}/bundle`,
    "/log/checkpoint",
    "/log/tile/0/000.p/1",
    "/.well-known/triseal.json",
  ];
  const chunked = `${text.length.toString(16)};x=y\r\n${text}\r\n0\r\nX-Trailer: 1\r\n\r\n`;
  return [
    `POST ${INFER} HTTP/1.1\r\n${json}Content-Length: ${text.length}\r\nIdempotency-Key: fuzz-1\r\n\r\n${text}`,
    `POST ${INFER} HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    `POST ${INFER} HTTP/1.1\r\n${json}Expect: 100-continue\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    `POST ${INFER} HTTP/1.0\r\n${json}Content-Length: ${text.length}\r\n\r\n${text}`,
    ...gets.map((path) => `GET ${path} HTTP/1.1\r\n${auth}\r\n`),
    `GET /v2 HTTP/1.1\r\n${auth}\r\nGET /v2/health/live HTTP/1.1\r\n${auth}\r\n`,
    `GET http://127.0.0.1/v2 HTTP/1.1\r\n${auth}\r\n`,
    `GET /v2 HTTP/1.1\r\n${auth}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ].map(utf8);
}

async function subjectsOf(fed: Fed, receiptId: string): Promise<readonly Subject[]> {
  const { service } = fed;
  const examples = await bodies();
  const envelopes = await Promise.all(examples.map((body) => seal(fed, "digits-mlp", body)));
  const port = Number(new URL(service.url).port);
  return [
    { name: "body", examples, judge: (bytes) => post(fed, INFER, "application/json", bytes) },
    { name: "envelope", examples: envelopes, judge: (bytes) => post(fed, INFER, SEALED_TYPES.json, bytes) },
    {
      name: "sealed content",
      examples,
      judge: async (bytes) => post(fed, INFER, SEALED_TYPES.json, await seal(fed, "digits-mlp", bytes)),
    },
    {
      name: "request",
      examples: wholeRequests(service, examples[0] ?? new Uint8Array(), receiptId),
      judge: async (bytes) =>
        judgeExchange(await exchangeRaw(port, bytes, { quietMs: QUIET_MS, timeoutMs: CASE_TIMEOUT_MS }), service.apiKey, false),
    },
  ];
}

/** The keyset of the service's worker, from its current session. */
export async function keysetOf(service: Service): Promise<WorkerKeyset> {
  const { sessions } = (await get(service, "/v1/aci/sessions")).json as { sessions: { session_id: string }[] };
  const document = await get(service, `/v1/aci/sessions/${sessions[0]?.session_id}`);
  return parseWorkerEvidence(decodeSession(parseJson(document.bytes)).evidenceBytes).keyset;
}

/** The target. */
export const httpTarget: FuzzTarget = {
  name: "http",
  startsPrograms: true,
  open: async () => {
    const service = await startService({ config: { limits: { maxBodyBytes: 128 * 1024 } } });
    const first = await infer(service, digitsBody());
    const worker = workerOf(service);
    const before = residentMiB(service.program.pid);
    const inspect = async (): Promise<string | null> => {
      if (!isRunning(service.program.pid)) return `the gateway ended: ${service.program.stderr().slice(-500)}`;
      if (!isRunning(worker)) return "the worker ended";
      const answer = await infer(service, digitsBody());
      if (answer.status !== 200) return `a good request got ${answer.status} ${answer.text.slice(0, 200)}`;
      const grown = residentMiB(service.program.pid) - before;
      return grown > MAX_GROWTH_MIB ? `the gateway grew by ${grown} MiB` : null;
    };
    return {
      subjects: await subjectsOf({ service, keyset: await keysetOf(service) }, first.receiptId ?? ""),
      concurrency: 12,
      caseTimeoutMs: CASE_TIMEOUT_MS,
      inspect,
      numbers: () => ({ rssMiBBefore: before, rssMiBAfter: residentMiB(service.program.pid) }),
      close: async () => {
        const code = await service.close();
        if (code !== 0) throw new Error(`the gateway ended with code ${code}`);
      },
    };
  },
};
