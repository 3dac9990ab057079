/**
 * The JSON documents of snarkjs for Groth16 on BN254 (`bn128` there): proof, public signals and verification key. Numbers
 * are decimal strings in their only spelling, below the order of their field. Whether points lie on their curves is not
 * checked here but where they are used (evidence/groth16.ts).
 */
import { anyJson, array, type Decoder, integer, object, oneOf } from "../../../core/decode.ts";
import { digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonValue, parseJson } from "../../../core/json.ts";
import { FIELD_ORDER } from "./field.ts";

/** Order of the base field of BN254, below which coordinates lie. */
const BASE_ORDER = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

/** Most public signals that a key or proof may have. */
export const MAX_PUBLIC_SIGNALS = 4096;

const MAX_PROOF_BYTES = 4096;
const MAX_SIGNALS_BYTES = 90 * MAX_PUBLIC_SIGNALS;
const MAX_KEY_BYTES = 250 * MAX_PUBLIC_SIGNALS + 65_536;

/** Affine coordinates of a point of G1. */
export interface PointG1 {
  readonly x: bigint;
  readonly y: bigint;
}

/** Affine coordinates of a point of G2; each is `c0 + c1 u`. */
export interface PointG2 {
  readonly x: readonly [c0: bigint, c1: bigint];
  readonly y: readonly [c0: bigint, c1: bigint];
}

/** A Groth16 proof. */
export interface Proof {
  readonly a: PointG1;
  readonly b: PointG2;
  readonly c: PointG1;
}

/** A Groth16 verification key. */
export interface VerificationKey {
  readonly alpha: PointG1;
  readonly beta: PointG2;
  readonly gamma: PointG2;
  readonly delta: PointG2;
  /** One point for the constant, then one per public signal. */
  readonly ic: readonly PointG1[];
}

function refuse(place: string, expected: string): never {
  throw new TrisealError("FORMAT_INVALID", `${place}: expected ${expected}`);
}

function below(order: bigint): Decoder<bigint> {
  return (value, place) => {
    if (typeof value !== "string" || !/^(?:0|[1-9][0-9]{0,76})$/.test(value)) refuse(place, "a decimal number as a string");
    const number = BigInt(value);
    return number < order ? number : refuse(place, "a number below the field order");
  };
}

const coordinate = below(BASE_ORDER);
/** Reads a scalar: a decimal number below the field order, as a string. */
export const scalar: Decoder<bigint> = below(FIELD_ORDER);

function items(value: JsonValue | undefined, count: number, place: string): readonly JsonValue[] {
  if (!Array.isArray(value) || value.length !== count) refuse(place, `an array of ${count}`);
  return value as readonly JsonValue[];
}

/** Reads affine coordinates in the form of snarkjs, `[x, y, "1"]`. Whether the point is on the curve is not checked. */
export const pointG1: Decoder<PointG1> = (value, place) => {
  const [x, y, z] = items(value, 3, place);
  if (z !== "1") refuse(place, "an affine point");
  return { x: coordinate(x, `${place}[0]`), y: coordinate(y, `${place}[1]`) };
};

function pair(value: JsonValue | undefined, place: string): readonly [bigint, bigint] {
  const [c0, c1] = items(value, 2, place);
  return [coordinate(c0, `${place}[0]`), coordinate(c1, `${place}[1]`)];
}

/** Reads affine coordinates in the form of snarkjs, `[x, y, ["1", "0"]]`. Whether the point is on the curve is not checked. */
export const pointG2: Decoder<PointG2> = (value, place) => {
  const [x, y, z] = items(value, 3, place);
  const [one, zero] = items(z, 2, place);
  if (one !== "1" || zero !== "0") refuse(place, "an affine point");
  return { x: pair(x, `${place}[0]`), y: pair(y, `${place}[1]`) };
};

const decodeProof = object({
  pi_a: pointG1,
  pi_b: pointG2,
  pi_c: pointG1,
  protocol: oneOf("groth16"),
  curve: oneOf("bn128"),
});

const decodeKey = object(
  {
    protocol: oneOf("groth16"),
    curve: oneOf("bn128"),
    nPublic: integer(0, MAX_PUBLIC_SIGNALS),
    vk_alpha_1: pointG1,
    vk_beta_2: pointG2,
    vk_gamma_2: pointG2,
    vk_delta_2: pointG2,
    IC: array(pointG1, MAX_PUBLIC_SIGNALS + 1),
  },
  // snarkjs writes the pairing of alpha and beta and never reads it; it is computed anew here too.
  { vk_alphabeta_12: anyJson },
);

const decodeSignals = array(scalar, MAX_PUBLIC_SIGNALS);

/**
 * A JSON document of at most `maxBytes`.
 * @throws TrisealError `FORMAT_INVALID`, naming `what`.
 */
export function parseDocument(bytes: Uint8Array, maxBytes: number, what: string): JsonValue {
  if (bytes.length > maxBytes) throw new TrisealError("FORMAT_INVALID", `${what} of more than ${maxBytes} bytes`);
  return parseJson(bytes);
}

/**
 * A proof from its parsed document.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function decodeProofDocument(value: JsonValue | undefined, place = "proof"): Proof {
  const { pi_a: a, pi_b: b, pi_c: c } = decodeProof(value, place);
  return { a, b, c };
}

/**
 * Public signals from their parsed document, each from 0 to below the field order.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function decodeSignalsDocument(value: JsonValue | undefined, place = "publicSignals"): readonly bigint[] {
  return decodeSignals(value, place);
}

/**
 * A proof from `proof.json`.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseProof(bytes: Uint8Array): Proof {
  return decodeProofDocument(parseDocument(bytes, MAX_PROOF_BYTES, "a proof"));
}

/**
 * Public signals from `public.json`.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parsePublicSignals(bytes: Uint8Array): readonly bigint[] {
  return decodeSignalsDocument(parseDocument(bytes, MAX_SIGNALS_BYTES, "public signals"));
}

/**
 * A verification key from `verification_key.json`.
 * @throws TrisealError `FORMAT_INVALID`, also where the points of `IC` are not one more than the public signals.
 */
export function parseVerificationKey(bytes: Uint8Array): VerificationKey {
  return decodeVerificationKey(parseDocument(bytes, MAX_KEY_BYTES, "a verification key"));
}

/** The form that `pointG1` reads. */
export const g1Json = (point: PointG1): JsonValue => [point.x.toString(), point.y.toString(), "1"];

/** The form that `pointG2` reads. */
export const g2Json = (point: PointG2): JsonValue => [
  point.x.map((part) => part.toString()),
  point.y.map((part) => part.toString()),
  ["1", "0"],
];

/** The document of a proof, in the form of snarkjs. */
export function proofDocument(proof: Proof): JsonValue {
  return { pi_a: g1Json(proof.a), pi_b: g2Json(proof.b), pi_c: g1Json(proof.c), protocol: "groth16", curve: "bn128" };
}

/** The document of a verification key, in the form of snarkjs, without the pairing that it never reads. */
export function verificationKeyDocument(key: VerificationKey): JsonValue {
  return {
    protocol: "groth16",
    curve: "bn128",
    nPublic: key.ic.length - 1,
    vk_alpha_1: g1Json(key.alpha),
    vk_beta_2: g2Json(key.beta),
    vk_gamma_2: g2Json(key.gamma),
    vk_delta_2: g2Json(key.delta),
    IC: key.ic.map(g1Json),
  };
}

/** The bytes of `verification_key.json` in a model package: the key's document in JCS. */
export function encodeVerificationKey(key: VerificationKey): Uint8Array {
  return encodeJcs(verificationKeyDocument(key));
}

/** SHA-256 of `encodeVerificationKey`: what receipts and setups name a key by. One key has one digest. */
export function verificationKeyDigest(key: VerificationKey): Sha256Digest {
  return digestOf(encodeVerificationKey(key));
}

/**
 * A verification key from its parsed document.
 * @throws TrisealError `FORMAT_INVALID`, also where `IC` has another number of points than the public signals.
 */
export function decodeVerificationKey(value: JsonValue | undefined, place = "key"): VerificationKey {
  const key = decodeKey(value, place);
  if (key.IC.length !== key.nPublic + 1) refuse(`${place}.IC`, `${key.nPublic + 1} points`);
  return { alpha: key.vk_alpha_1, beta: key.vk_beta_2, gamma: key.vk_gamma_2, delta: key.vk_delta_2, ic: key.IC };
}
