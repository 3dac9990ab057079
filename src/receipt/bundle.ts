/** Bundles (`*.triseal.json`): a receipt with everything that its verification needs, apart from the trust file. */
import { encodeBase64 } from "../core/bytes.ts";
import {
  array,
  base64Bytes,
  type Decoder,
  digest,
  hexBytes,
  jsonObject,
  map,
  matching,
  object,
  oneOf,
  text,
} from "../core/decode.ts";
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { type JsonObject, parseJson } from "../core/json.ts";
import { decodeKeyset, type GatewayKeyset } from "./keyset.ts";
import { decodeReceipt, type Receipt } from "./receipt.ts";

/** Format name of a bundle. */
export const BUNDLE_VERSION = "triseal.dev/bundle/v1";

/** How names of bundles' files end. */
export const BUNDLE_SUFFIX = ".triseal.json";

/** Largest bundle, in bytes, that `parseBundle` reads. */
export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;

const MAX_BLOB_BYTES = 8 * 1024 * 1024;

/** Proof that a document is in the log: the salt of its leaf and a `c2sp.org/tlog-proof@v1` text. */
export interface LoggedDocument {
  /** 32 bytes. */
  readonly salt: Uint8Array;
  readonly proof: string;
}

/** A parsed bundle. Nothing in it is verified yet. */
export interface Bundle {
  readonly receipt: Receipt;
  /** Receipts that continue this one: proofs that arrived later, sampling draws. */
  readonly supplements: readonly Receipt[];
  readonly keyset: GatewayKeyset;
  /** ACI sessions by id. */
  readonly sessions: ReadonlyMap<string, JsonObject>;
  /** Further documents by digest: report, policy, statement, decision, legs. The digests are already checked. */
  readonly blobs: ReadonlyMap<Sha256Digest, Uint8Array>;
  /** Log proofs by the digest of the document that they show. */
  readonly log: ReadonlyMap<Sha256Digest, LoggedDocument>;
}

const proofText: Decoder<string> = (value, place) => {
  if (typeof value === "string" && value.length <= 64 * 1024) return value;
  throw new TrisealError("FORMAT_INVALID", `${place}: expected a log proof of at most 64 kB`);
};

const decodeParts = object({
  v: oneOf(BUNDLE_VERSION),
  receipt: (value, place) => decodeReceipt(value, place),
  supplements: array((value, place) => decodeReceipt(value, place), 64),
  keyset: decodeKeyset,
  sessions: map(matching(/[0-9a-f]{64}/, "a session id"), jsonObject, 16),
  blobs: map(digest, base64Bytes(MAX_BLOB_BYTES), 256),
  log: map(digest, object({ salt: hexBytes(32), proof: proofText }), 64),
});

/**
 * Whether `bytes` name themselves a bundle of another version than ours; false for anything that is not JSON.
 */
export function isOtherBundleVersion(bytes: Uint8Array): boolean {
  try {
    const version = text(128)(jsonObject(parseJson(bytes), "bundle")["v"], "bundle.v");
    return /^triseal\.dev\/bundle\/v[1-9][0-9]{0,3}$/.test(version) && version !== BUNDLE_VERSION;
  } catch {
    return false;
  }
}

/**
 * Parses a bundle: strict JSON, no unknown member, canonical base64 and hexadecimal, and every blob under its own
 * digest. Verifies no signature and no proof.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseBundle(bytes: Uint8Array): Bundle {
  if (bytes.length > MAX_BUNDLE_BYTES) throw new TrisealError("FORMAT_INVALID", `bundle: more than ${MAX_BUNDLE_BYTES} bytes`);
  const parts = decodeParts(parseJson(bytes), "bundle");
  for (const [name, blob] of parts.blobs) {
    if (digestOf(blob) !== name)
      throw new TrisealError("FORMAT_INVALID", `bundle.blobs: the blob under ${name} has another digest`);
  }
  return parts;
}

/** The bytes of a bundle, in JCS form. */
export function encodeBundle(bundle: {
  readonly receipt: JsonObject;
  readonly supplements: readonly JsonObject[];
  readonly keyset: GatewayKeyset;
  readonly sessions: ReadonlyMap<string, JsonObject>;
  readonly blobs: readonly Uint8Array[];
  readonly log: ReadonlyMap<Sha256Digest, { readonly salt: string; readonly proof: string }>;
}): Uint8Array {
  return encodeJcs({
    v: BUNDLE_VERSION,
    receipt: bundle.receipt,
    supplements: bundle.supplements,
    keyset: bundle.keyset,
    sessions: Object.fromEntries(bundle.sessions),
    blobs: Object.fromEntries(bundle.blobs.map((blob) => [digestOf(blob), encodeBase64(blob)])),
    log: Object.fromEntries(bundle.log) as JsonObject,
  });
}
