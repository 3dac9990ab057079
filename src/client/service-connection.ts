/** HTTP to one gateway: strict answers, bounded, and every refusal as a coded error. */
import { readBoundedBody } from "../core/bounded-body.ts";
import { utf8 } from "../core/bytes.ts";
import { type ErrorTable, isTrisealError, TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { MAX_BUNDLE_BYTES } from "../receipt/index.ts";
import type { Fetch } from "./channel.ts";
import { refusal, unreachable } from "./refusal.ts";
import { platformSleep } from "./retry.ts";

/** How to reach a gateway. */
export interface ConnectionOptions {
  /** Origin of the gateway, such as `http://127.0.0.1:8080`. */
  readonly baseUrl: string;
  /** Null until the service was appraised: then only public documents can be asked for. */
  readonly apiKey: string | null;
  readonly fetch: Fetch;
  /** Codes that the service may state. */
  readonly codes: ErrorTable;
}

/** What is posted. */
export interface Message {
  readonly body: Uint8Array;
  readonly mediaType: string;
  /** Further headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
}

/** An answer's body with the headers that matter. */
export interface ServiceAnswer {
  readonly body: Uint8Array;
  readonly mediaType: string;
  readonly receiptId: string | null;
  readonly keysetDigest: string | null;
  /** Jobs that bring the legs which the answer's receipt awaits, as the service says. */
  readonly pendingJobs: readonly string[];
}

const JOB_ADDRESS = /^\/v1\/jobs\/(job-[0-9a-f]{32})$/;
/** Waits between two looks at a job, in milliseconds. */
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 4000;
const PENDING_JOB = /;job="(job-[0-9a-f]{32})"/g;

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const bytes = await readBoundedBody(response, maxBytes);
  if (bytes === null) throw new TrisealError("VERIFICATION_FAILED", `the service sent more than ${maxBytes} bytes`);
  return bytes;
}

/** One request to what a path keeps for its callers. */
export interface ResourceRequest {
  readonly method: "GET" | "POST" | "PATCH";
  /** Nothing for `GET`. */
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest answer that is read, in bytes. */
  readonly maxBytes: number;
}

/** A connection to one gateway. What does not reach it or breaks off is thrown as `SERVICE_UNREACHABLE`, an abort as its reason. */
export class ServiceConnection {
  private readonly options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.options = options;
  }

  /** GET with the API key of at most `maxBytes`; any status but 200 is thrown with the service's code. */
  get(path: string, signal?: AbortSignal, maxBytes?: number): Promise<ServiceAnswer> {
    return this.send(path, { method: "GET", headers: this.credentials() }, signal, maxBytes);
  }

  /** A request with the API key to what a path keeps; any status but 200, 201 and 202 is thrown with the service's code. */
  async resource(
    path: string,
    { method, body, headers = {}, maxBytes }: ResourceRequest,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const sent = body === undefined ? {} : { body: Uint8Array.from(body) };
    const init = { method, headers: { ...headers, ...this.credentials() }, ...sent };
    const { response, body: answer } = await this.exchange(path, init, signal, maxBytes);
    if (![200, 201, 202].includes(response.status)) throw refusal(response.status, answer, null, this.options.codes);
    return answer;
  }

  /** @throws TrisealError the code for which one of these jobs ended without what it was to bring. */
  async assertComing(jobs: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const job of jobs) await this.assertRunning(job, signal);
  }

  private async assertRunning(job: string, signal?: AbortSignal): Promise<void> {
    const answer = await this.get(`/v1/jobs/${job}`, signal).catch((error: unknown) => {
      // A service that forgot the job may bring the leg all the same.
      if (isTrisealError(error, "JOB_UNKNOWN")) return null;
      throw error;
    });
    const document = answer === null ? {} : parseJson(answer.body);
    const { state, code } = isJsonObject(document) ? document : { state: null, code: null };
    if (state !== "refused" && state !== "cancelled") return;
    const problem = utf8(JSON.stringify({ code, detail: "a leg that the receipt awaits will not come" }));
    throw refusal(200, problem, null, this.options.codes);
  }

  /** GET of a public document's bytes, without the API key. */
  async getPublic(path: string, signal?: AbortSignal): Promise<Uint8Array> {
    return (await this.send(path, { method: "GET" }, signal)).body;
  }

  /** GET of a public JSON object, without the API key. */
  async getJson(path: string, signal?: AbortSignal): Promise<JsonObject> {
    const document = parseJson(await this.getPublic(path, signal));
    if (!isJsonObject(document)) throw new TrisealError("FORMAT_INVALID", `${path} gave no JSON object`);
    return document;
  }

  /**
   * POST of exact bytes with the API key, under an idempotency key: sent twice, they get one answer. Where the service makes it
   * a job (202), that is waited for, and the answer is its result.
   */
  async post(path: string, message: Message, signal?: AbortSignal): Promise<ServiceAnswer> {
    const { mediaType, idempotencyKey } = message;
    const headers = {
      ...message.headers,
      "content-type": mediaType,
      "idempotency-key": idempotencyKey,
      ...this.credentials(),
    };
    const posted = { method: "POST", body: Uint8Array.from(message.body), headers };
    const { response, body } = await this.exchange(path, posted, signal, MAX_BUNDLE_BYTES);
    const job = response.status === 202 ? JOB_ADDRESS.exec(response.headers.get("location") ?? "")?.[1] : undefined;
    return job === undefined ? this.answerOf(response, body) : this.resultOf(job, signal);
  }

  /** The response to a job's request, once that has ended. */
  private async resultOf(job: string, signal = new AbortController().signal): Promise<ServiceAnswer> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
      const document = parseJson((await this.get(`/v1/jobs/${job}`, signal)).body);
      if (!isJsonObject(document) || document["finished_at"] !== null) return this.get(`/v1/jobs/${job}/result`, signal);
      await platformSleep(waitMs, signal);
      signal.throwIfAborted();
    }
  }

  private credentials(): { readonly authorization: string } {
    const { apiKey } = this.options;
    if (apiKey === null) throw new TrisealError("INTERNAL", "no API key may be sent on this connection");
    return { authorization: `Bearer ${apiKey}` };
  }

  private async send(path: string, init: RequestInit, signal?: AbortSignal, maxBytes = MAX_BUNDLE_BYTES): Promise<ServiceAnswer> {
    const { response, body } = await this.exchange(path, init, signal, maxBytes);
    return this.answerOf(response, body);
  }

  private answerOf(response: Response, body: Uint8Array): ServiceAnswer {
    const receiptId = response.headers.get("x-receipt-id");
    if (response.status !== 200) throw refusal(response.status, body, receiptId, this.options.codes);
    return {
      body,
      mediaType: response.headers.get("content-type")?.split(";")[0] ?? "",
      receiptId,
      keysetDigest: response.headers.get("x-aci-keyset-digest"),
      pendingJobs: [...(response.headers.get("x-triseal-pending") ?? "").matchAll(PENDING_JOB)].map(([, job = ""]) => job),
    };
  }

  private async exchange(
    path: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
    maxBytes: number,
  ): Promise<{ response: Response; body: Uint8Array }> {
    const request: RequestInit = { ...init, redirect: "manual", ...(signal === undefined ? {} : { signal }) };
    try {
      const response = await this.options.fetch(`${this.options.baseUrl}${path}`, request);
      // What was meant for this address goes to no other. A browser shows a redirect as opaque, without its status.
      if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
        await response.body?.cancel();
        throw new TrisealError("VERIFICATION_FAILED", "the service redirects elsewhere, which is not followed");
      }
      return { response, body: await readBounded(response, maxBytes) };
    } catch (error) {
      if (isTrisealError(error)) throw error;
      signal?.throwIfAborted();
      throw unreachable("the connection to the service failed or broke off", error);
    }
  }
}
