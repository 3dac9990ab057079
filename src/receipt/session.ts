/** Attested sessions (ACI spec section 8): one verification of one upstream, immutable and content-addressed. */
import { parseBase64 } from "../core/bytes.ts";
import { array, type Decoded, digest, jsonObject, nullable, object, oneOf, seconds, text } from "../core/decode.ts";
import { digestHex, digestOf, digestOfJson } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { ACI_VERSION } from "./keyset.ts";

/** Largest evidence, in bytes, that a session may hold. */
const MAX_EVIDENCE_BYTES = 4 * 1024 * 1024;

const decodeDocument = object(
  {
    api_version: oneOf(ACI_VERSION),
    upstream_name: text(128),
    endpoint: nullable(text(512)),
    verifier_id: text(128),
    established_at: seconds,
    expires_at: seconds,
    channel_binding: array(jsonObject, 16),
    claims: jsonObject,
    evidence: object({ digest, data: text(Math.ceil(MAX_EVIDENCE_BYTES / 3) * 4 + 256) }),
  },
  { identity: jsonObject },
);

/** A session with its evidence decoded. */
export interface AttestedSession extends Decoded<typeof decodeDocument> {
  readonly id: string;
  readonly document: JsonObject;
  readonly evidenceBytes: Uint8Array;
  readonly evidenceMediaType: string;
}

/** The id of a session document: bare hexadecimal SHA-256 of its JCS form. */
export function sessionId(document: JsonObject): string {
  return digestHex(digestOfJson(document));
}

/**
 * The session that `document` holds; `evidence.data` must be a base64 data URI that hashes to `evidence.digest`.
 * Does not appraise the evidence.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function decodeSession(document: JsonValue | undefined, place = "session"): AttestedSession {
  const content = jsonObject(document, place);
  const session = decodeDocument(content, place);
  const match = /^data:([a-z0-9.+/-]{1,128});base64,([A-Za-z0-9+/=]*)$/.exec(session.evidence.data);
  if (match === null) throw new TrisealError("FORMAT_INVALID", `${place}.evidence.data: expected a base64 data URI`);
  const evidenceBytes = parseBase64(match[2] ?? "");
  if (digestOf(evidenceBytes) !== session.evidence.digest) {
    throw new TrisealError("FORMAT_INVALID", `${place}.evidence: data does not hash to digest`);
  }
  return { ...session, id: sessionId(content), document: content, evidenceBytes, evidenceMediaType: match[1] ?? "" };
}
