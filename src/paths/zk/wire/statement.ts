/**
 * A threshold statement (receipt/SPEC.md section 3.10): whoever a signer issued a commitment to a balance proves that the balance
 * is at least a threshold, and shows nothing else of it. The proof's public signals follow from what the document states, so
 * that the document has no copy of them that could differ.
 */
import { concatBytes, encodeHex, utf8 } from "../../../core/bytes.ts";
import {
  type Decoded,
  type Decoder,
  digest,
  hexBytes,
  hexText,
  integer,
  matching,
  object,
  oneOf,
  seconds,
  text,
} from "../../../core/decode.ts";
import { digestOfJson, type Sha256Digest, sha256Bytes } from "../../../core/digest.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { JsonObject } from "../../../core/json.ts";
import { decodeProofDocument, parseDocument, proofDocument } from "./documents.ts";
import { FIELD_ORDER } from "./field.ts";

const KIND = "triseal.zk.statement.v1";
const CREDENTIAL_KIND = "triseal.zk.credential.v1";

/** Media type of the leg of a statement. */
export const STATEMENT_LEG_TYPE = "application/vnd.triseal.zk-statement-leg+json";

/** The kind of context that a statement's leg names. */
export const STATEMENT_CONTEXT = KIND;

/** What policies read in `request.submits` where a caller proves a statement. */
export const SUBMITS_STATEMENT = "statement";

/** Largest document, in bytes. */
export const MAX_STATEMENT_BYTES = 16_384;

/** Longest that a statement may hold, in seconds after it was decided. */
export const MAX_STATEMENT_SECONDS = 86_400;

/** Largest threshold: policies compare doubles, in which every integer up to here is exact. */
export const MAX_THRESHOLD: number = Number.MAX_SAFE_INTEGER;

/** The statement as receipts and trust files name it; the digest is over what it says. */
export const THRESHOLD_STATEMENT: { readonly name: string; readonly version: string; readonly digest: Sha256Digest } = {
  name: "threshold-statement",
  version: "1",
  digest: digestOfJson({ v: 1, kind: KIND, says: "balance >= threshold", balanceBits: 64 }),
};

const element: Decoder<string> = (value, place) => {
  const hex = hexText(32)(value, place);
  if (BigInt(`0x${hex}`) < FIELD_ORDER) return hex;
  throw new TrisealError("FORMAT_INVALID", `${place}: expected a number below the field order`);
};

const decodeCredential = object({
  v: oneOf(1),
  kind: oneOf(CREDENTIAL_KIND),
  /** The signer's name, as trust files have it beside its key. */
  issuer: text(128),
  /** The tenant of the gateway that it was issued to: nobody else can use it. */
  subject: text(64),
  unit: matching(/[a-z][a-z0-9-]{0,15}/, "a unit of lower-case letters, digits and hyphens"),
  /** Poseidon(salt, "triseal.balance.v1", balance), 64 hexadecimal digits. */
  commitment: element,
  issuedAt: seconds,
  /** The first second at which it no longer holds. */
  notAfter: seconds,
});

/** What a signer says of a balance that it does not show. */
export type Credential = Omit<Decoded<typeof decodeCredential>, "v" | "kind">;

const decodeSigned = object({ credential: decodeCredential, publicKey: hexText(32), signature: hexBytes(64) });

/** A credential with its signature, which is not verified. */
export interface SignedCredential {
  readonly credential: Credential;
  /** Ed25519, 64 hexadecimal digits. */
  readonly publicKey: string;
  readonly signature: Uint8Array;
}

function credentialDocument({ issuer, subject, unit, commitment, issuedAt, notAfter }: Credential): JsonObject {
  return { v: 1, kind: CREDENTIAL_KIND, issuer, subject, unit, commitment, issuedAt, notAfter };
}

function credentialMessage(credential: Credential): Uint8Array {
  return concatBytes(utf8(`${CREDENTIAL_KIND}\0`), encodeJcs(credentialDocument(credential)));
}

function signedDocument({ credential, publicKey, signature }: SignedCredential): JsonObject {
  return { credential: credentialDocument(credential), publicKey, signature: encodeHex(signature) };
}

/** Signs a credential. */
export function signCredential(credential: Credential, signer: Signer): SignedCredential {
  return { credential, publicKey: signer.publicKey, signature: signer.sign(credentialMessage(credential)) };
}

/** Whether the signature is that of the stated key. Says nothing about whose key that is. */
export function verifyCredential({ credential, publicKey, signature }: SignedCredential): boolean {
  return verifyEd25519(publicKey, credentialMessage(credential), signature);
}

/** The bytes of a signed credential, as its signer hands it out. */
export function encodeCredential(signed: SignedCredential): Uint8Array {
  return encodeJcs(signedDocument(signed));
}

/** @throws TrisealError `FORMAT_INVALID`. Verifies nothing. */
export function parseCredential(bytes: Uint8Array): SignedCredential {
  return decodeSigned(parseDocument(bytes, MAX_STATEMENT_BYTES, "a credential"), "credential");
}

const decodeStatement = object({
  v: oneOf(1),
  kind: oneOf(KIND),
  modelDigest: digest,
  decisionDigest: digest,
  factsDigest: digest,
  nonce: hexText(16),
  threshold: integer(0, MAX_THRESHOLD),
  /** The first second at which the statement no longer holds. */
  expiry: seconds,
  signed: decodeSigned,
  proof: (value, place) => decodeProofDocument(value, place),
});

/** A parsed statement; nothing in it is verified. */
export interface Statement extends Omit<Decoded<typeof decodeStatement>, "v" | "kind" | "signed"> {
  readonly signed: SignedCredential;
}

/** What a statement says, before it is proven. */
export type UnprovenStatement = Omit<Statement, "proof">;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseStatement(bytes: Uint8Array): Statement {
  const document = parseDocument(bytes, MAX_STATEMENT_BYTES, "a statement");
  const { v: _, kind: __, ...statement } = decodeStatement(document, "statement");
  return statement;
}

/** The bytes of a statement, in JCS form. */
export function encodeStatement({ signed, proof, ...stated }: Statement): Uint8Array {
  return encodeJcs({ v: 1, kind: KIND, ...stated, signed: signedDocument(signed), proof: proofDocument(proof) });
}

/** The first 253 bits of SHA-256 over a domain and `bytes`, so that they are below the field order. */
function fieldHash(domain: string, bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(sha256Bytes(concatBytes(utf8(`${domain}\0`), bytes)))}`) >> 3n;
}

/** The public signals of a statement: commitment, threshold, tenant, nonce, expiry, context. */
export function statementSignals(stated: UnprovenStatement): readonly [bigint, bigint, bigint, bigint, bigint, bigint] {
  const { modelDigest, decisionDigest, factsDigest, nonce, threshold, expiry, signed } = stated;
  const bound = { v: 1, modelDigest, decisionDigest, factsDigest, nonce, credentialDigest: digestOfJson(signedDocument(signed)) };
  return [
    BigInt(`0x${signed.credential.commitment}`),
    BigInt(threshold),
    fieldHash("triseal.zk.tenant.v1", utf8(signed.credential.subject)),
    BigInt(`0x${nonce}`),
    BigInt(expiry),
    fieldHash(KIND, encodeJcs(bound)),
  ];
}
