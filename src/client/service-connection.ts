/** HTTP to one gateway: strict answers, bounded, and every refusal as a coded error. */
import { concatBytes } from "../core/bytes.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { MAX_BUNDLE_BYTES } from "../receipt/index.ts";

/** Function with the signature of the web's `fetch`. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** How to reach a gateway. */
export interface ConnectionOptions {
  /** Origin of the gateway, such as `http://127.0.0.1:8080`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly fetch: Fetch;
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
}

/** Statuses of intermediaries that did not reach the service. */
const UNREACHED = new Set([502, 503, 504]);

function unreachable(detail: string, cause?: unknown): TrisealError {
  return new TrisealError("SERVICE_UNREACHABLE", detail, { cause, details: { retryable: true } });
}

/** A refusal: the code is the service's, `receiptId` names its receipt where there is one. */
function refusal(status: number, body: Uint8Array, receiptId: string | null): TrisealError {
  let problem: JsonObject = {};
  try {
    const parsed = parseJson(body);
    if (isJsonObject(parsed)) problem = parsed;
  } catch {
    // Not a problem document: the status speaks for itself.
  }
  const coded = typeof problem["code"] === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(problem["code"]);
  if (!coded && UNREACHED.has(status)) return unreachable(`something before the service answered ${status}`);
  const code = coded ? problem["code"] : "INTERNAL";
  const detail = typeof problem["detail"] === "string" ? problem["detail"].slice(0, 300) : `the service answered ${status}`;
  const details = { status, retryable: problem["retryable"] === true, receiptId };
  return new TrisealError(code as "INTERNAL", detail, { details });
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) return concatBytes(...parts);
    length += next.value.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new TrisealError("VERIFICATION_FAILED", `the service sent more than ${maxBytes} bytes`);
    }
    parts.push(next.value);
  }
}

/** A connection to one gateway. What does not reach it or breaks off is thrown as `SERVICE_UNREACHABLE`, an abort as its reason. */
export class ServiceConnection {
  private readonly options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.options = options;
  }

  /** GET; any status but 200 is thrown with the service's code. */
  get(path: string, signal?: AbortSignal): Promise<ServiceAnswer> {
    return this.send(path, { method: "GET" }, signal);
  }

  /** GET of a JSON object. */
  async getJson(path: string, signal?: AbortSignal): Promise<JsonObject> {
    const document = parseJson((await this.get(path, signal)).body);
    if (!isJsonObject(document)) throw new TrisealError("FORMAT_INVALID", `${path} gave no JSON object`);
    return document;
  }

  /** POST of exact bytes under an idempotency key: sent twice, they get one answer. */
  post(path: string, message: Message, signal?: AbortSignal): Promise<ServiceAnswer> {
    const headers = { ...message.headers, "content-type": message.mediaType, "idempotency-key": message.idempotencyKey };
    return this.send(path, { method: "POST", body: Uint8Array.from(message.body), headers }, signal);
  }

  private async send(path: string, init: RequestInit, signal?: AbortSignal): Promise<ServiceAnswer> {
    const headers = { ...(init.headers as Record<string, string> | undefined), authorization: `Bearer ${this.options.apiKey}` };
    const request: RequestInit = { ...init, headers, redirect: "manual", ...(signal === undefined ? {} : { signal }) };
    const { response, body } = await this.exchange(`${this.options.baseUrl}${path}`, request);
    const receiptId = response.headers.get("x-receipt-id");
    if (response.status !== 200) throw refusal(response.status, body, receiptId);
    return {
      body,
      mediaType: response.headers.get("content-type")?.split(";")[0] ?? "",
      receiptId,
      keysetDigest: response.headers.get("x-aci-keyset-digest"),
    };
  }

  private async exchange(url: string, request: RequestInit): Promise<{ response: Response; body: Uint8Array }> {
    try {
      const response = await this.options.fetch(url, request);
      // What was meant for this address goes to no other. A browser shows a redirect as opaque, without its status.
      if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
        await response.body?.cancel();
        throw new TrisealError("VERIFICATION_FAILED", "the service redirects elsewhere, which is not followed");
      }
      return { response, body: await readBounded(response, MAX_BUNDLE_BYTES) };
    } catch (error) {
      if (isTrisealError(error)) throw error;
      request.signal?.throwIfAborted();
      throw unreachable("the connection to the service failed or broke off", error);
    }
  }
}
