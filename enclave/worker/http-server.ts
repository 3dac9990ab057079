/** The worker's HTTP interface: health, evidence, inference. Loopback or a unix socket; small, bounded, without a framework. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { hexText, object } from "../../src/core/decode.ts";
import { coreCodes, type ErrorRow, isTrisealError, TrisealError } from "../../src/core/errors.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { measureStages, type StageTimes } from "../../src/core/stage.ts";
import { codes, teeError } from "../../src/paths/tee/wire/codes.ts";
import { FRAME_TYPE } from "../../src/paths/tee/wire/frame.ts";
import { WORKER_EVIDENCE_TYPE } from "../../src/paths/tee/wire/keyset.ts";
import { readBody } from "../process/request-body.ts";
import { acceptFrame, answerFrame, type WorkerParts } from "./answer-request.ts";
import type { WriteLog } from "./log-line.ts";
import { type ReportParts, reportEvidence } from "./report-evidence.ts";

/** Longest time for one evidence report; hardware attesters answer in seconds. */
const EVIDENCE_TIMEOUT_MS = 30_000;

/** Evidence reports in progress at one time. */
const MAX_REPORTS = 4;

/** Idle connections stay open longer than the gateway keeps them, so that it never meets one that is just closing. */
const KEEP_ALIVE_MS = 120_000;

/** Largest challenge document, in bytes. */
const MAX_CHALLENGE_BYTES = 1024;

/** What the server answers from. */
export interface ServerParts {
  readonly worker: WorkerParts;
  readonly report: ReportParts;
  readonly maxBodyBytes: number;
  /** Whether to log how long each stage of a request took. */
  readonly stageTimes: boolean;
  readonly log: WriteLog;
}

interface Answer {
  readonly status: number;
  readonly mediaType: string;
  /** In parts, which are not joined: an answer can be megabytes. */
  readonly body: readonly Uint8Array[];
}

interface Exchange {
  readonly request: IncomingMessage;
  /** Aborts with `CLIENT_ABORTED` when the connection closes before the answer, and with `DEADLINE_EXCEEDED`. */
  readonly ending: AbortController;
}

function jsonAnswer(status: number, value: JsonObject): Answer {
  return { status, mediaType: "application/json", body: [Buffer.from(JSON.stringify(value))] };
}

const decodeChallenge = object({ nonce: hexText(32) });

function errorRow(code: string): ErrorRow {
  const table: Readonly<Record<string, ErrorRow>> = { ...coreCodes, ...codes };
  return table[code] ?? coreCodes.INTERNAL;
}

/** Aborts the exchange after so many milliseconds; what it returns stops the timer. */
function endAfter({ ending }: Exchange, milliseconds: number): () => void {
  const timer = setTimeout(() => {
    ending.abort(new TrisealError("DEADLINE_EXCEEDED", `the worker had no answer within ${milliseconds} ms`));
  }, milliseconds);
  return () => clearTimeout(timer);
}

function health(parts: ServerParts): Answer {
  const { lanes, models } = parts.worker;
  return jsonAnswer(200, {
    ready: true,
    provider: lanes.provider,
    passedOver: lanes.passedOver,
    workerDigest: parts.report.workerDigest,
    models: [...models.values()].map(({ name, version, digest }) => ({ name, version, digest })),
    running: lanes.load.running,
    waiting: lanes.load.waiting,
  });
}

let reports = 0;

async function evidence(exchange: Exchange, parts: ServerParts): Promise<Answer> {
  const { nonce } = decodeChallenge(parseJson(await readBody(exchange.request, MAX_CHALLENGE_BYTES)), "challenge");
  if (reports >= MAX_REPORTS) throw teeError("WORKER_OVERLOADED", "the worker is already making evidence reports");
  reports++;
  const clear = endAfter(exchange, EVIDENCE_TIMEOUT_MS);
  try {
    const body = await reportEvidence(parts.report, nonce, exchange.ending.signal);
    return { status: 200, mediaType: WORKER_EVIDENCE_TYPE, body: [body] };
  } finally {
    reports--;
    clear();
  }
}

async function infer(exchange: Exchange, parts: ServerParts): Promise<Answer> {
  const times: StageTimes = {};
  const stages = parts.stageTimes ? measureStages(times, () => performance.now()) : undefined;
  const accepted = acceptFrame(await readBody(exchange.request, parts.maxBodyBytes), parts.worker);
  const clear = endAfter(exchange, accepted.head.deadlineMs);
  try {
    const body = await answerFrame(accepted, parts.worker, exchange.ending.signal, stages);
    if (parts.stageTimes) parts.log("info", "stages", times);
    return { status: 200, mediaType: FRAME_TYPE, body };
  } finally {
    clear();
  }
}

async function route(exchange: Exchange, parts: ServerParts): Promise<Answer> {
  switch (`${exchange.request.method} ${exchange.request.url}`) {
    case "GET /health":
      return health(parts);
    case "POST /evidence":
      return await evidence(exchange, parts);
    case "POST /infer":
      return await infer(exchange, parts);
    default:
      throw new TrisealError("NOT_FOUND", "the worker serves GET /health, POST /evidence and POST /infer");
  }
}

function send(response: ServerResponse, answer: Answer, close: boolean): void {
  response.writeHead(answer.status, {
    "content-type": answer.mediaType,
    "content-length": answer.body.reduce((length, part) => length + part.length, 0),
    ...(close ? { connection: "close" } : {}),
  });
  response.cork();
  for (const part of answer.body) response.write(part);
  response.end();
  response.uncork();
}

/** The refusal that an error means. An error that is not ours may quote content: only its class is logged. */
function refusal(error: unknown, isGone: boolean, log: WriteLog): { readonly answer: Answer; readonly code: string } {
  if (!isTrisealError(error) && !isGone) {
    log("error", "unexpected", { kind: error instanceof Error ? error.name : typeof error });
  }
  const { code, message } = isGone
    ? new TrisealError("CLIENT_ABORTED", "the connection closed")
    : isTrisealError(error)
      ? error
      : new TrisealError("INTERNAL", "the worker failed");
  return { answer: jsonAnswer(errorRow(code).status, { code, message }), code };
}

async function serve(request: IncomingMessage, response: ServerResponse, parts: ServerParts): Promise<void> {
  const started = performance.now();
  const ending = new AbortController();
  let isGone = false;
  response.once("close", () => {
    if (response.writableFinished) return;
    isGone = true;
    ending.abort(new TrisealError("CLIENT_ABORTED", "the connection closed"));
  });
  const exchange = { request, ending };
  const { answer, code } = await route(exchange, parts).then(
    (answer) => ({ answer, code: null }),
    (error: unknown) => refusal(error, isGone, parts.log),
  );
  // A body that was not read to its end cannot be followed by another request.
  if (!response.destroyed) send(response, answer, !request.complete);
  // What was answered is a line of the gateway's log, with its receipt: one here would wake the gateway once more for it.
  if (code === null) return;
  const ms = Math.round(performance.now() - started);
  parts.log("info", "request", { url: (request.url ?? "").slice(0, 32), status: answer.status, code, ms });
}

/** The worker's server, not yet listening. */
export function createWorkerServer(parts: ServerParts): Server {
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 60_000, headersTimeout: 10_000 }, (request, response) => {
    serve(request, response, parts).catch(() => response.destroy());
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = 4096;
  return server;
}
