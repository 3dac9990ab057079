/** The engine's claim about a run, and the leg that carries it (SPEC 7). */
import { decodeBinding } from "../../../core/binding.ts";
import { concatBytes, encodeHex, utf8 } from "../../../core/bytes.ts";
import {
  array,
  type Decoded,
  type Decoder,
  digest,
  hexBytes,
  hexText,
  integer,
  nullable,
  object,
  oneOf,
  text,
} from "../../../core/decode.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { isJsonObject } from "../../../core/json.ts";
import {
  accountName,
  assertDistinct,
  clearValue,
  MAX_VALUES,
  outputType,
  readDocument,
  unsignedDecimal,
  valueName,
} from "./document.ts";
import { MAX_LISTS } from "./run.ts";

/** Media type of the fhe leg. */
export const FHE_CLAIM_TYPE = "application/vnd.triseal.fhe-claim+json";

/** Media type of a program, which is the evidence behind the leg: a blob of the bundle. */
export const FHE_PROGRAM_TYPE = "application/vnd.triseal.fhe-program+json";

/** Media type of the integer model behind the leg of a model's run. The model is its operator's: no bundle holds it. */
export const FHE_MODEL_TYPE = "application/vnd.triseal.integer-model+json";

/** Type of evidence as policies read it in `backend.evidence_type`: the engine's signature, and nothing about the machine. */
export const FHE_EVIDENCE_TYPE = "fhe-engine";

/** Largest leg, in bytes. */
export const MAX_CLAIM_BYTES = 131_072;

const DOMAIN = utf8("triseal.fhe.claim.v1\0");

const decodeEncrypted = object({ n: valueName, digest, handle: nullable(hexText(32)) });
const decodeClear = object({ n: valueName, clear: clearValue });

/** An input of a run: its compressed value by digest and, where it had one before the run, handle; or its clear value. */
export type ClaimedInput = Decoded<typeof decodeEncrypted> | Decoded<typeof decodeClear>;

const decodeInput: Decoder<ClaimedInput> = (value, place) =>
  isJsonObject(value) && Object.hasOwn(value, "clear") ? decodeClear(value, place) : decodeEncrypted(value, place);

const version = (least: number): Decoder<number> => integer(least, Number.MAX_SAFE_INTEGER);

const decodeWriteFields = object({
  account: accountName,
  version: version(1),
  /** Of an account; null of an asset. */
  handle: nullable(hexText(32)),
  digest: nullable(digest),
  /** Of an asset; null of an account. */
  clear: nullable(unsignedDecimal),
  prevHead: hexText(32),
});

/** What a run made of an account. */
export type ClaimedWrite = Decoded<typeof decodeWriteFields>;

const decodeWrite: Decoder<ClaimedWrite> = (value, place) => {
  const write = decodeWriteFields(value, place);
  const isAsset = write.clear !== null;
  if ((write.handle === null) === isAsset && (write.digest === null) === isAsset) return write;
  throw new TrisealError("FORMAT_INVALID", `${place}: expected handle and digest, or a clear state`);
};

const decodeReadFields = object({ account: accountName, version: version(0), handle: nullable(hexText(32)) });

/** What a run found: version 0 is an account that nothing was written to; its handle is null, and so is that of an asset. */
export type ClaimedRead = Decoded<typeof decodeReadFields>;

const decodeRead: Decoder<ClaimedRead> = (value, place) => {
  const read = decodeReadFields(value, place);
  if (read.version > 0 || read.handle === null) return read;
  throw new TrisealError("FORMAT_INVALID", `${place}: version 0 has no handle`);
};

const decodeClaim = object({
  v: oneOf(1),
  engine: object({
    /** Ed25519, 64 hexadecimal digits. */
    key: hexText(32),
    /** Of the engine's program file. */
    build: digest,
    version: text(128),
  }),
  /** Name of the parameter set. */
  parameters: text(128),
  keyId: hexText(32),
  programDigest: digest,
  circuitDigest: digest,
  /** In the program's order. */
  inputs: array(decodeInput, MAX_VALUES),
  lists: array(digest, MAX_LISTS),
  /** In the program's order. */
  outputs: array(object({ n: valueName, t: outputType, digest, handle: hexText(32) }), MAX_VALUES),
  /** What the inputs were re-randomised from. */
  seed: hexText(32),
  /** Programmable bootstraps that were run. */
  pbs: integer(0, 2 ** 32 - 1),
  reads: array(decodeRead, MAX_VALUES),
  writes: array(decodeWrite, MAX_VALUES),
  factsDigest: digest,
  binding: decodeBinding,
});

/** What the engine says of a run. */
export type Claim = Decoded<typeof decodeClaim>;

const decodeLeg = object({ claim: decodeClaim, signature: hexBytes(64) });

/** A claim with its signature, which is not verified. */
export type SignedClaim = Decoded<typeof decodeLeg>;

/**
 * Parses a leg. Verifies nothing.
 * @throws TrisealError `FORMAT_INVALID`, also where a name or an account stands twice.
 */
export function parseClaim(bytes: Uint8Array): SignedClaim {
  const signed = decodeLeg(readDocument(bytes, MAX_CLAIM_BYTES, "a claim"), "leg");
  const { inputs, outputs, reads, writes, lists } = signed.claim;
  for (const [place, names] of [
    ["claim.inputs", inputs.map(({ n }) => n)],
    ["claim.outputs", outputs.map(({ n }) => n)],
    ["claim.reads", reads.map(({ account }) => account)],
    ["claim.writes", writes.map(({ account }) => account)],
    ["claim.lists", lists],
  ] as const) {
    assertDistinct(names, place);
  }
  return signed;
}

function message(claim: Claim): Uint8Array {
  return concatBytes(DOMAIN, encodeJcs(claim));
}

/** The bytes of a leg, in JCS form. */
export function encodeClaim({ claim, signature }: SignedClaim): Uint8Array {
  return encodeJcs({ claim: claim, signature: encodeHex(signature) });
}

/** Signs a claim as an engine does. `claim.engine.key` must be the signer's. */
export function signClaim(claim: Claim, signer: Signer): SignedClaim {
  return { claim, signature: signer.sign(message(claim)) };
}

/** Whether the signature is that of the stated engine. Says nothing about whose engine that is. */
export function verifyClaim({ claim, signature }: SignedClaim): boolean {
  return verifyEd25519(claim.engine.key, message(claim), signature);
}
