/** HTTP to one gateway: strict answers, bounded, and every refusal as a coded error. */
import { concatBytes } from "../core/bytes.ts";
import { type ErrorTable, isTrisealError, TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { MAX_BUNDLE_BYTES } from "../receipt/index.ts";
import type { Fetch } from "./channel.ts";
import { refusal, unreachable } from "./refusal.ts";

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

  /** GET with the API key of at most `maxBytes`; any status but 200 is thrown with the service's code. */
  get(path: string, signal?: AbortSignal, maxBytes?: number): Promise<ServiceAnswer> {
    return this.send(path, { method: "GET", headers: this.credentials() }, signal, maxBytes);
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

  /** POST of exact bytes with the API key, under an idempotency key: sent twice, they get one answer. */
  post(path: string, message: Message, signal?: AbortSignal): Promise<ServiceAnswer> {
    const { mediaType, idempotencyKey } = message;
    const headers = {
      ...message.headers,
      "content-type": mediaType,
      "idempotency-key": idempotencyKey,
      ...this.credentials(),
    };
    return this.send(path, { method: "POST", body: Uint8Array.from(message.body), headers }, signal);
  }

  private credentials(): { readonly authorization: string } {
    const { apiKey } = this.options;
    if (apiKey === null) throw new TrisealError("INTERNAL", "no API key may be sent on this connection");
    return { authorization: `Bearer ${apiKey}` };
  }

  private async send(path: string, init: RequestInit, signal?: AbortSignal, maxBytes = MAX_BUNDLE_BYTES): Promise<ServiceAnswer> {
    const request: RequestInit = { ...init, redirect: "manual", ...(signal === undefined ? {} : { signal }) };
    const { response, body } = await this.exchange(`${this.options.baseUrl}${path}`, request, maxBytes);
    const receiptId = response.headers.get("x-receipt-id");
    if (response.status !== 200) throw refusal(response.status, body, receiptId, this.options.codes);
    return {
      body,
      mediaType: response.headers.get("content-type")?.split(";")[0] ?? "",
      receiptId,
      keysetDigest: response.headers.get("x-aci-keyset-digest"),
    };
  }

  private async exchange(url: string, request: RequestInit, maxBytes: number): Promise<{ response: Response; body: Uint8Array }> {
    try {
      const response = await this.options.fetch(url, request);
      // What was meant for this address goes to no other. A browser shows a redirect as opaque, without its status.
      if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
        await response.body?.cancel();
        throw new TrisealError("VERIFICATION_FAILED", "the service redirects elsewhere, which is not followed");
      }
      return { response, body: await readBounded(response, maxBytes) };
    } catch (error) {
      if (isTrisealError(error)) throw error;
      request.signal?.throwIfAborted();
      throw unreachable("the connection to the service failed or broke off", error);
    }
  }
}
