/**
 * What is asked of a key holder, and what it says (SPEC 11): the clear value of one output of one receipted run. The statement is signed by
 * a key that the holder's evidence commits to, and the evidence by way of its nonce commits to the statement.
 */
import { concatBytes, encodeBase64, encodeHex, utf8 } from "../../../core/bytes.ts";
import {
  array,
  base64Bytes,
  type Decoded,
  type Decoder,
  digest,
  hexBytes,
  hexText,
  integer,
  object,
  oneOf,
  seconds,
  text,
} from "../../../core/decode.ts";
import { digestHex, digestOf, digestOfJson, type Sha256Digest } from "../../../core/digest.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import type { Claim } from "./claim.ts";
import { clearValue, readDocument, typeName, valueName } from "./document.ts";
import { decodeHolderConfiguration, type HolderConfiguration } from "./key-holder.ts";
import { MAX_RUN_BYTES } from "./run.ts";

const KIND = "triseal.fhe.reveal.v1";
const DOMAIN = utf8(`${KIND}\0`);

/** Largest bundle that a key holder reads, in bytes: a run of the fhe path has some tens of kilobytes. */
export const MAX_REVEALED_BUNDLE_BYTES: number = 4 * 1024 * 1024;

/** Largest compressed ciphertext, in bytes. */
export const MAX_REVEALED_VALUE_BYTES: number = 1024 * 1024;

/** Largest request, in bytes. */
export const MAX_REVEAL_REQUEST_BYTES: number = 29 * 1024 * 1024;

/** Largest evidence package, and largest reveal, in bytes. */
const MAX_EVIDENCE_BYTES = 4 * 1024 * 1024;
export const MAX_REVEAL_BYTES: number = 6 * 1024 * 1024;

const decodeRequest = object({
  v: oneOf(1),
  /** Name of the output. */
  output: valueName,
  /** The bundle of the run. */
  bundle: base64Bytes(MAX_REVEALED_BUNDLE_BYTES),
  /** The run document as it was submitted. */
  run: base64Bytes(MAX_RUN_BYTES),
  /** The compressed bytes of the output. */
  ciphertext: base64Bytes(MAX_REVEALED_VALUE_BYTES),
});

/** A request to a key holder. Nothing in it is verified. */
export type RevealRequest = Omit<Decoded<typeof decodeRequest>, "v">;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseRevealRequest(bytes: Uint8Array): RevealRequest {
  const { v: _, ...request } = decodeRequest(readDocument(bytes, MAX_REVEAL_REQUEST_BYTES, "a request"), "request");
  return request;
}

/** The bytes of a request. */
export function encodeRevealRequest({ output, bundle, run, ciphertext }: RevealRequest): Uint8Array {
  return encodeJcs({
    v: 1,
    output,
    bundle: encodeBase64(bundle),
    run: encodeBase64(run),
    ciphertext: encodeBase64(ciphertext),
  });
}

/** The head before the first reveal. */
export const NO_REVEAL: string = "00".repeat(32);

const decided = {
  keyId: hexText(32),
  /** Digest of the holder's configuration. */
  configuration: digest,
  /** What is revealed once: see `auctionOf`. */
  auction: hexText(32),
  receiptId: text(64),
  /** Digest of the engine's claim, without its signature. */
  claim: digest,
  programDigest: digest,
  /** Name, type and digest of the compressed bytes of the output. */
  output: valueName,
  type: typeName,
  digest,
  /** Whose word it is that the program gave this ciphertext, and what vouches for that engine. */
  engine: object({ key: hexText(32), build: digest, basis: oneOf("signature") }),
  /** Place among this holder's reveals, from 1, and the head before it: two statements of one place show that a holder forgot one. */
  sequence: integer(1),
  previous: hexText(32),
  /** The holder's clock. */
  decidedAt: seconds,
};

/** Decodes what stood fast before the value was known. */
export const decodeDecidedReveal = object(decided);
const decodeStatement = object({ v: oneOf(1), kind: oneOf(KIND), ...decided, value: clearValue });

/** A reveal before its decryption: what a holder keeps of it. */
export type DecidedReveal = Decoded<typeof decodeDecidedReveal>;

/** What a holder says. */
export interface RevealStatement extends DecidedReveal {
  readonly value: string;
}

/** The head that follows a reveal, 64 hexadecimal digits. */
export function revealHead(reveal: DecidedReveal): string {
  return digestHex(digestOfJson({ domain: "triseal.fhe.reveal-head.v1", ...reveal }));
}

/**
 * What is revealed once. The proofs of an auction's bids are bound to the challenge's nonce, and hold for no other: so the nonce is what the
 * bidders took part in, whatever run somebody makes of their bids.
 */
export function auctionOf({ keyId, programDigest, binding }: Pick<Claim, "keyId" | "programDigest" | "binding">): string {
  return digestHex(digestOfJson({ domain: "triseal.fhe.auction.v1", keyId, programDigest, nonce: binding.nonce }));
}

const decodeReveal = object({
  statement: decodeStatement,
  /** When the evidence was made; later than `decidedAt` where the holder was asked again. */
  attestedAt: seconds,
  /** Ed25519, 64 hexadecimal digits. */
  publicKey: hexText(32),
  signature: hexBytes(64),
  configuration: decodeHolderConfiguration,
  /** An evidence package of a key holder, frozen. */
  evidence: base64Bytes(MAX_EVIDENCE_BYTES),
});

/** A statement with its signature, and what shows whose key that is. Nothing is verified. */
export interface Reveal {
  readonly statement: RevealStatement;
  readonly attestedAt: UnixSeconds;
  readonly publicKey: string;
  readonly signature: Uint8Array;
  readonly configuration: HolderConfiguration;
  readonly evidence: Uint8Array;
}

type Said = Pick<Reveal, "statement" | "attestedAt">;

function message({ statement, attestedAt }: Said): Uint8Array {
  return concatBytes(DOMAIN, encodeJcs({ statement: { v: 1, kind: KIND, ...statement }, attestedAt }));
}

/** The nonce of the evidence behind a statement, 64 hexadecimal digits: it was made after the statement, and for it. */
export function revealNonce(said: Said): string {
  return digestHex(digestOf(message(said)));
}

/** Signs a statement as a holder does. */
export function signReveal(said: Said, signer: Signer): Said & Pick<Reveal, "publicKey" | "signature"> {
  return { ...said, publicKey: signer.publicKey, signature: signer.sign(message(said)) };
}

/** Whether the signature is that of the stated key. Says nothing about whose key that is. */
export function verifyRevealSignature(reveal: Reveal): boolean {
  return verifyEd25519(reveal.publicKey, message(reveal), reveal.signature);
}

/** The bytes of a reveal, in JCS form. */
export function encodeReveal({ statement, attestedAt, publicKey, signature, configuration, evidence }: Reveal): Uint8Array {
  return encodeJcs({
    statement: { v: 1, kind: KIND, ...statement },
    attestedAt,
    publicKey,
    signature: encodeHex(signature),
    configuration: { ...configuration },
    evidence: encodeBase64(evidence),
  });
}

/** @throws TrisealError `FORMAT_INVALID`. Verifies nothing. */
export function parseReveal(bytes: Uint8Array): Reveal {
  const reveal = decodeReveal(readDocument(bytes, MAX_REVEAL_BYTES, "a reveal"), "reveal");
  const { v: _, kind: __, ...statement } = reveal.statement;
  return { ...reveal, statement };
}

/** Digest of a claim, without its signature. */
export function claimDigest(claim: Claim): Sha256Digest {
  return digestOfJson(claim);
}

/** Marks of a claim: no two runs that share one are both revealed. */
export function revealMarks({ binding, lists, inputs }: Claim): readonly string[] {
  const encrypted = inputs.flatMap((input) => ("clear" in input ? [] : [`input ${input.digest}`]));
  return [`nonce ${binding.nonce}`, ...lists.map((list) => `list ${list}`), ...encrypted];
}

/** Decodes marks. */
export const decodeMarks: Decoder<readonly string[]> = array(text(96), 256);
