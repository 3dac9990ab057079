/** The key holder's HTTP interface: loopback or a unix socket; small, bounded, without a framework. What it answers is signed: the channel is not trusted. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { utf8 } from "../../src/core/bytes.ts";
import { hexText } from "../../src/core/decode.ts";
import { coreCodes, type ErrorRow, type ErrorTable, isTrisealError, TrisealError } from "../../src/core/errors.ts";
import { codes } from "../../src/paths/fhe/wire/codes.ts";
import { MAX_REVEAL_REQUEST_BYTES } from "../../src/paths/fhe/wire/reveal.ts";
import { attesterCodes } from "../attester/attester-error.ts";
import { readBody } from "../process/request-body.ts";

/** Longest time for one answer: verifying, decrypting, and a report of hardware. */
const ANSWER_TIMEOUT_MS = 120_000;

/** Requests in progress at one time: each holds its body in memory. */
const MAX_REQUESTS = 4;

const table: ErrorTable = { ...coreCodes, ...codes, ...attesterCodes };

/** What the server answers from. */
export interface HolderServerParts {
  readonly holder: {
    describe(nonce: string, signal: AbortSignal): Promise<object>;
    reveal(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  };
  /** How many reveals were decided. */
  readonly revealed: () => number;
  /** Writes one line; nothing of a request's content is handed to it. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

const json = (value: object) => utf8(JSON.stringify(value));

let open = 0;

/** Runs `work` where there is a place: what attests, too, takes a platform's time. */
async function inPlace<Result>(work: () => Promise<Result>): Promise<Result> {
  if (open >= MAX_REQUESTS) throw new TrisealError("OVERLOADED", "the key holder is answering as many requests as it may");
  open++;
  try {
    return await work();
  } finally {
    open--;
  }
}

async function route(request: IncomingMessage, parts: HolderServerParts, signal: AbortSignal): Promise<Uint8Array> {
  const [path, query = ""] = (request.url ?? "").split("?", 2);
  switch (`${request.method} ${path}`) {
    case "GET /v1/health":
      return json({ ready: true, revealed: parts.revealed() });
    case "GET /v1/key-holder": {
      const nonce = hexText(32)(new URLSearchParams(query).get("nonce") ?? undefined, "nonce");
      return json(await inPlace(() => parts.holder.describe(nonce, signal)));
    }
    case "POST /v1/reveals":
      return await inPlace(async () => parts.holder.reveal(await readBody(request, MAX_REVEAL_REQUEST_BYTES), signal));
    default:
      throw new TrisealError("NOT_FOUND", "the key holder serves GET /v1/health, GET /v1/key-holder and POST /v1/reveals");
  }
}

/** The refusal that an error means. An error that is not ours may quote content: only its class is logged. */
function refusal(
  error: unknown,
  log: HolderServerParts["log"],
): { readonly row: ErrorRow; readonly code: string; readonly body: Uint8Array } {
  if (!isTrisealError(error)) log("unexpected", { kind: error instanceof Error ? error.name : typeof error });
  const { code, message, details } = isTrisealError(error) ? error : new TrisealError("INTERNAL", "the key holder failed");
  const row = table[code] ?? coreCodes.INTERNAL;
  return { row, code, body: json({ code, message, details, action: row.action }) };
}

async function serve(request: IncomingMessage, response: ServerResponse, parts: HolderServerParts): Promise<void> {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(new TrisealError("DEADLINE_EXCEEDED", "no answer in time")), ANSWER_TIMEOUT_MS);
  response.once("close", () => {
    clearTimeout(timer);
    ending.abort(new TrisealError("CLIENT_ABORTED", "the connection closed"));
  });
  const { status, code, body } = await route(request, parts, ending.signal).then(
    (answer) => ({ status: 200, code: "", body: answer }),
    (error: unknown) => {
      const { row, ...refused } = refusal(error, parts.log);
      return { status: row.status, ...refused };
    },
  );
  parts.log("request", { url: (request.url ?? "").slice(0, 32), status, code });
  if (response.destroyed) return;
  // A body that was not read to its end cannot be followed by another request.
  const close = request.complete ? {} : { connection: "close" };
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length, ...close }).end(body);
}

/** The key holder's server, not yet listening. */
export function createHolderServer(parts: HolderServerParts): Server {
  const limits = { maxHeaderSize: 8192, requestTimeout: 60_000, headersTimeout: 10_000 };
  const server = createServer(limits, (request, response) => {
    serve(request, response, parts).catch(() => response.destroy());
  });
  server.maxConnections = 64;
  return server;
}
