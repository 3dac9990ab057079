/** HTTP to one gateway: strict answers, bounded, and every refusal as a coded error. */
import { concatBytes } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
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

/** An answer's body with the headers that matter. */
export interface ServiceAnswer {
  readonly body: Uint8Array;
  readonly mediaType: string;
  readonly receiptId: string | null;
  readonly keysetDigest: string | null;
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
  const code =
    typeof problem["code"] === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(problem["code"]) ? problem["code"] : "INTERNAL";
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

/** A connection to one gateway. */
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

  /** POST of exact bytes. */
  post(path: string, body: Uint8Array, mediaType: string, signal?: AbortSignal): Promise<ServiceAnswer> {
    return this.send(path, { method: "POST", body: Uint8Array.from(body), headers: { "content-type": mediaType } }, signal);
  }

  private async send(path: string, init: RequestInit, signal?: AbortSignal): Promise<ServiceAnswer> {
    const headers = { ...(init.headers as Record<string, string> | undefined), authorization: `Bearer ${this.options.apiKey}` };
    const request: RequestInit = { ...init, headers, redirect: "error", ...(signal === undefined ? {} : { signal }) };
    const response = await this.options.fetch(`${this.options.baseUrl}${path}`, request);
    const body = await readBounded(response, MAX_BUNDLE_BYTES);
    const receiptId = response.headers.get("x-receipt-id");
    if (response.status !== 200) throw refusal(response.status, body, receiptId);
    return {
      body,
      mediaType: response.headers.get("content-type")?.split(";")[0] ?? "",
      receiptId,
      keysetDigest: response.headers.get("x-aci-keyset-digest"),
    };
  }
}
