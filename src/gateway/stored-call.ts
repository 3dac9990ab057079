/** A request that waits to be answered, as it is kept: encrypted under a key of the vault, which is deleted after `retain`. */
import { encodeBase64 } from "../core/bytes.ts";
import { base64Bytes, nullable, object, oneOf, text } from "../core/decode.ts";
import { encodeJcs } from "../core/jcs.ts";
import { parseJson } from "../core/json.ts";

const MAX_BODY_BYTES = 64 * 1024 * 1024;

const decodeCall = object({
  v: oneOf(1),
  path: text(512),
  modelName: text(128),
  modelVersion: nullable(text(64)),
  mediaType: text(256),
  jsonLength: nullable(text(32)),
  body: base64Bytes(MAX_BODY_BYTES),
});

/** What is needed to answer a request later. */
export interface StoredCall {
  /** The address without its query. */
  readonly path: string;
  readonly modelName: string;
  readonly modelVersion: string | null;
  readonly mediaType: string;
  /** The header that names the length of the body's JSON part, or null. */
  readonly jsonLength: string | null;
  readonly body: Uint8Array;
}

/** The bytes of a call, before they are encrypted. */
export function encodeCall({ path, modelName, modelVersion, mediaType, jsonLength, body }: StoredCall): Uint8Array {
  return encodeJcs({ v: 1, path, modelName, modelVersion, mediaType, jsonLength, body: encodeBase64(body) });
}

/** Parses the bytes of a call. @throws TrisealError `FORMAT_INVALID`. */
export function parseStoredCall(bytes: Uint8Array): StoredCall {
  const { v: _, ...call } = decodeCall(parseJson(bytes), "call");
  return call;
}
