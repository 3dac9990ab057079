/** Repeats of a request (`Idempotency-Key`): a tenant's key gets at most one logged answer, and its repeats get that one. */
import { concatBytes, encodeHex, utf8 } from "../core/bytes.ts";
import { digestHex, digestOfBody, digestOfJson, sha256Bytes } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";

/** 1 to 128 visible ASCII characters. A header that was sent twice arrives joined by a comma and a space, and is none. */
const KEY = /^[\x21-\x7e]{1,128}$/;

/** What tells one request from another. */
export interface RepeatableRequest {
  readonly tenant: string;
  readonly path: string;
  /** As the gateway reads it: lower case, without parameters. */
  readonly mediaType: string;
  readonly body: Uint8Array;
}

/** A request under a key. Neither hash tells key or content. */
export interface KeyedRequest {
  /** SHA-256 of tenant, a zero byte and key: 64 hexadecimal digits. Keys of two tenants never meet. */
  readonly keyHash: string;
  /** SHA-256 over path, media type and the exact body: 64 hexadecimal digits. */
  readonly requestHash: string;
}

/**
 * The request under the key of its `Idempotency-Key` header, or null without one.
 * @throws TrisealError `IDEMPOTENCY_KEY_INVALID`.
 */
export function keyedRequest(key: string | null, request: RepeatableRequest): KeyedRequest | null {
  if (key === null) return null;
  if (!KEY.test(key)) throw new TrisealError("IDEMPOTENCY_KEY_INVALID", "the key is not 1 to 128 visible ASCII characters");
  const { tenant, path, mediaType, body } = request;
  return {
    keyHash: encodeHex(sha256Bytes(concatBytes(utf8(tenant), Uint8Array.of(0), utf8(key)))),
    requestHash: digestHex(digestOfJson({ v: 1, path, mediaType, body: digestOfBody(body) })),
  };
}

/** Keys whose request is being answered now. One process owns the log, so that its memory is enough. */
export class KeyClaims {
  private readonly held = new Map<string, string>();

  /** Hash of the request that holds the key, or null. */
  holder(keyHash: string): string | null {
    return this.held.get(keyHash) ?? null;
  }

  /** Runs `work` while the request holds its key, from the call on; nobody may hold it. */
  async hold<T>({ keyHash, requestHash }: KeyedRequest, work: () => Promise<T>): Promise<T> {
    this.held.set(keyHash, requestHash);
    try {
      return await work();
    } finally {
      this.held.delete(keyHash);
    }
  }
}
