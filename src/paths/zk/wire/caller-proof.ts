/**
 * A proof that a caller made on its own machine under a challenge of the gateway (receipt/SPEC.md section 3.9). The document is
 * what the caller submits, and it stands in the bundle as it came: its context covers the decision and not the request, because
 * the request is the document. Contexts of legs and of standalone proofs have other domains.
 */
import { concatBytes, encodeHex, utf8 } from "../../../core/bytes.ts";
import { type Decoded, digest, hexText, integer, object, oneOf } from "../../../core/decode.ts";
import { digestHex, type Sha256Digest, sha256Bytes } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { decodeProofDocument, decodeSignalsDocument, MAX_PUBLIC_SIGNALS, parseDocument, proofDocument } from "./documents.ts";

const KIND = "triseal.zk.caller.v1";

/** The kind of context that the leg of a caller's proof names. */
export const CALLER_CONTEXT = KIND;

const DOMAIN = utf8(`${KIND}\0`);

/** Media type of the leg of a proof that the caller made. */
export const CALLER_LEG_TYPE = "application/vnd.triseal.zk-caller-leg+json";

/** What policies read in `request.submits` where a caller proves. */
export const SUBMITS_PROOF = "proof";

/** Largest document, in bytes. */
export const MAX_CALLER_PROOF_BYTES = 90 * MAX_PUBLIC_SIGNALS + 16_384;

const decodeDocument = object({
  v: oneOf(1),
  kind: oneOf(KIND),
  modelDigest: digest,
  /** SHA-256 of the decision that the proof was made under. */
  decisionDigest: digest,
  /** SHA-256 over the JCS form of the facts that the caller stated. */
  factsDigest: digest,
  /** The challenge's. */
  nonce: hexText(16),
  /** The commitment to the input, the outputs, and the context, in this order. */
  publicSignals: (value, place) => decodeSignalsDocument(value, place),
  proof: (value, place) => decodeProofDocument(value, place),
});

/** A parsed document; nothing in it is verified. */
export type CallerProof = Omit<Decoded<typeof decodeDocument>, "v" | "kind">;

/** What a caller's proof is bound to. */
export type CallerStatement = Pick<CallerProof, "modelDigest" | "decisionDigest" | "factsDigest" | "nonce">;

/** @throws TrisealError `FORMAT_INVALID`, also for a number that has another spelling or is not below its field order. */
export function parseCallerProof(bytes: Uint8Array): CallerProof {
  const { v: _, kind: __, ...document } = decodeDocument(parseDocument(bytes, MAX_CALLER_PROOF_BYTES, "a proof"), "proof");
  return document;
}

/** The bytes of a document, in JCS form. */
export function encodeCallerProof({ publicSignals, proof, ...statement }: CallerProof): Uint8Array {
  const signals = publicSignals.map(String);
  return encodeJcs({ v: 1, kind: KIND, ...statement, publicSignals: signals, proof: proofDocument(proof) });
}

/** The context: the first 253 bits of SHA-256 over domain and JCS form, so that it is below the field order. */
export function callerContext({ modelDigest, decisionDigest, factsDigest, nonce }: CallerStatement): bigint {
  const statement = encodeJcs({ v: 1, modelDigest, decisionDigest, factsDigest, nonce });
  return BigInt(`0x${encodeHex(sha256Bytes(concatBytes(DOMAIN, statement)))}`) >> 3n;
}

/** Largest proving key that a caller takes from a gateway, in bytes. */
const MAX_SERVED_KEY_BYTES = 512 * 1024 * 1024;

/** What a challenge of the zk path says beside nonce and decision: what to prove with. */
export const decodeCallerTerms = object({
  circuitDigest: digest,
  keyDigest: digest,
  setupDigest: digest,
  /** SHA-256 and bytes of the proving key, which `GET /v1/zk/keys/<64 hexadecimal digits>` gives. */
  provingKey: object({ digest, bytes: integer(1, MAX_SERVED_KEY_BYTES) }),
});

/** What a challenge says beside nonce and decision. */
export type CallerTerms = Decoded<typeof decodeCallerTerms>;

/** The address of a document that a challenge names by digest. */
export function keyAddress(named: Sha256Digest): string {
  return `/v1/zk/keys/${digestHex(named)}`;
}
