/** HTTP to one worker process: kept-alive connections, bounded answers, deadline, abort. Knows bytes, not their meaning. */
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { parseUtf8 } from "../../../core/bytes.ts";
import { object, text } from "../../../core/decode.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { parseJson } from "../../../core/json.ts";
import { codes, teeError } from "../wire/codes.ts";
import { FRAME_TYPE } from "../wire/frame.ts";
import type { WorkerAddress } from "./supervisor.ts";

/** Largest evidence package, in bytes. */
const MAX_EVIDENCE_BYTES = 4 * 1024 * 1024;

/** Largest error document, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;

/** A connection that was idle this long is not used again; the worker keeps it four times as long. */
const IDLE_MS = 30_000;

/** How long after the worker's own deadline its answer is still awaited. */
const DEADLINE_GRACE_MS = 1000;

const decodeError = object({ code: text(64), message: text(1024) });

/** What a worker may refuse with. Anything else, such as a denial by policy, is not a worker's to say. */
const WORKER_CODES: ReadonlySet<string> = new Set([
  ...Object.keys(codes),
  "DEADLINE_EXCEEDED",
  "FORMAT_INVALID",
  "INPUT_OUT_OF_RANGE",
  "INTERNAL",
  "MODEL_UNKNOWN",
  "REQUEST_BATCH",
  "REQUEST_MALFORMED",
  "REQUEST_NOT_FINITE",
  "REQUEST_TENSOR_INVALID",
  "REQUEST_TOO_LARGE",
]);

/** Largest health document, in bytes. */
const MAX_HEALTH_BYTES = 1024 * 1024;

interface Call {
  readonly path: "/evidence" | "/health" | "/infer";
  readonly mediaType: string;
  readonly body: Uint8Array;
  readonly maxAnswerBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface RawAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/** One worker process, over HTTP. */
export class WorkerClient {
  private readonly address: WorkerAddress;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1024, timeout: IDLE_MS });
  private readonly maxAnswerBytes: number;

  constructor(address: WorkerAddress, maxAnswerBytes: number) {
    this.address = address;
    this.maxAnswerBytes = maxAnswerBytes;
  }

  /**
   * A fresh evidence package for the challenge `nonce` (64 hexadecimal digits).
   * @throws TrisealError `WORKER_LOST`, `DEADLINE_EXCEEDED`, `CLIENT_ABORTED`, `WORKER_ANSWER_INVALID`, or the worker's code.
   */
  async evidence(nonce: string, timeoutMs: number, signal: AbortSignal): Promise<Uint8Array> {
    const body = Buffer.from(JSON.stringify({ nonce }));
    const call = { path: "/evidence", mediaType: "application/json", body, maxAnswerBytes: MAX_EVIDENCE_BYTES } as const;
    return await this.call({ ...call, timeoutMs, signal });
  }

  /**
   * The answer frame to a request frame. Every error has `details.forwarded`: whether bytes may have reached the worker;
   * `silent` where the worker did not even keep its own deadline, `garbled` where it refused in no form that is known.
   * @throws TrisealError as `evidence`.
   */
  async infer(frame: Uint8Array, deadlineMs: number, signal: AbortSignal): Promise<Uint8Array> {
    const timeoutMs = deadlineMs + DEADLINE_GRACE_MS;
    return await this.call({
      path: "/infer",
      mediaType: FRAME_TYPE,
      body: frame,
      maxAnswerBytes: this.maxAnswerBytes,
      timeoutMs,
      signal,
    });
  }

  /** Whether the worker answers at all, within `timeoutMs`. */
  async isAlive(timeoutMs: number): Promise<boolean> {
    const signal = new AbortController().signal;
    const call = { path: "/health", mediaType: "application/json", body: new Uint8Array(), timeoutMs, signal } as const;
    return await this.call({ ...call, maxAnswerBytes: MAX_HEALTH_BYTES }).then(
      () => true,
      () => false,
    );
  }

  /** Closes all connections. */
  close(): void {
    this.agent.destroy();
  }

  private async call(call: Call): Promise<Uint8Array> {
    const sent = { connected: false, late: false };
    try {
      const answer = await this.exchange(call, sent);
      if (answer.status === 200) return answer.body;
      throw workerError(answer);
    } catch (error) {
      const details = { forwarded: sent.connected };
      if (call.signal.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted", { details });
      if (sent.late) {
        const silent = { details: { ...details, silent: true } };
        throw new TrisealError("DEADLINE_EXCEEDED", `no answer within ${call.timeoutMs} ms`, silent);
      }
      if (isTrisealError(error)) {
        throw teeError(error.code as "WORKER_LOST", error.message, { details: { ...error.details, ...details } });
      }
      throw teeError("WORKER_LOST", "the connection to the worker broke", { cause: error, details });
    }
  }

  /** One timer and one listener end it early: signals made of signals cost a tenth of a small request. */
  private async exchange(call: Call, sent: { connected: boolean; late: boolean }): Promise<RawAnswer> {
    call.signal.throwIfAborted();
    const target = "port" in this.address ? { host: "127.0.0.1", port: this.address.port } : this.address;
    const headers = { "content-type": call.mediaType, "content-length": call.body.length };
    const method = call.path === "/health" ? "GET" : "POST";
    const request = httpRequest({ ...target, agent: this.agent, method, path: call.path, headers });
    const stop = () => request.destroy(new Error("ended early"));
    const timer = setTimeout(() => {
      sent.late = true;
      stop();
    }, call.timeoutMs);
    call.signal.addEventListener("abort", stop, { once: true });
    try {
      return await sendAndRead(request, call, sent);
    } finally {
      clearTimeout(timer);
      call.signal.removeEventListener("abort", stop);
    }
  }
}

function sendAndRead(request: ClientRequest, call: Call, sent: { connected: boolean }): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    // Bytes may leave from the moment that there is a connection, not before.
    request.once("socket", (socket) => {
      if (socket.connecting) socket.once("connect", () => (sent.connected = true));
      else sent.connected = true;
    });
    request.on("error", reject);
    request.once("response", (response) => {
      const most = response.statusCode === 200 ? call.maxAnswerBytes : MAX_ERROR_BYTES;
      readAnswer(response, most).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    request.end(call.body);
  });
}

function readAnswer(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else {
        reject(teeError("WORKER_ANSWER_INVALID", `the worker's answer has more than ${maxBytes} bytes`));
        // And with it the connection.
        response.destroy();
      }
    });
    const onClose = () => reject(new Error("the answer broke off"));
    response.once("end", () => {
      // What ended closes, too: no error, and no stack trace, for that.
      response.off("close", onClose);
      resolve(Buffer.concat(chunks, length));
    });
    response.on("error", reject).once("close", onClose);
  });
}

/** The worker's own refusal, if it is one of the known codes; anything else is no valid answer. */
function workerError(answer: RawAnswer): TrisealError {
  try {
    const { code, message } = decodeError(parseJson(parseUtf8(answer.body)), "worker error");
    if (WORKER_CODES.has(code)) return teeError(code as "WORKER_FAILED", message);
  } catch {
    // Falls through: a malformed refusal is answered below.
  }
  const reason = `the worker answered with status ${answer.status} and no error document`;
  return teeError("WORKER_ANSWER_INVALID", reason, { details: { garbled: true } });
}
