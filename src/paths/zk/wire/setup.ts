/**
 * `setup.json`: how a proving key was made, in a form that anyone can check (evidence/setup.ts) against the verification key.
 *
 * The transcript is a chain of hashes. Its start is `startHash`; every contribution and the beacon name the hash before them
 * and the one after, which `nextHash` computes from what they did to delta. Nothing in a document is trusted for being there.
 */
import { concatBytes, encodeHex, parseHex, utf8 } from "../../../core/bytes.ts";
import { array, type Decoded, digest, hexBytes, hexText, integer, nullable, object, oneOf, text } from "../../../core/decode.ts";
import { digestBytes, digestOfJson, type Sha256Digest, sha256Bytes } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonObject, type JsonValue, parseJson } from "../../../core/json.ts";
import { g1Json, g2Json, type PointG1, type PointG2, pointG1, pointG2, scalar } from "./documents.ts";
import { FIELD_ORDER } from "./field.ts";

/** Media type of a setup document: the evidence behind a zk leg. */
export const ZK_SETUP_TYPE = "application/vnd.triseal.zk-setup+json";

/** Who could forge proofs: whoever ran it; one party; nobody unless all contributors and the powers' makers worked together. */
export const SETUP_STATES = ["dev-insecure", "single-party", "ceremony"] as const;

/** The state of a setup. */
export type SetupState = (typeof SETUP_STATES)[number];

/** Largest `setup.json`, in bytes, and most contributions in it. */
export const MAX_SETUP_BYTES = 1024 * 1024;
const MAX_CONTRIBUTIONS = 256;

/** Most doublings of a beacon's iterations: 2^24 hashes take some seconds to check. */
export const MAX_BEACON_LOG = 24;

const step = {
  /** Hash of the transcript before and after this step. */
  previous: digest,
  next: digest,
  /** SHA-256 of the proving key that it left. */
  zkey: digest,
  /** delta after it, in both groups. */
  delta1: pointG1,
  delta2: pointG2,
};

const decodeContribution = object({
  ...step,
  name: text(128),
  /** The contributor's Ed25519 key, which signs `contributionMessage`. */
  publicKey: hexText(32),
  signature: hexBytes(64),
  /** Shows that the contributor knew the factor between the deltas: a Schnorr proof, see `challengeOf`. */
  proof: object({ commitment: pointG1, response: scalar }),
});

const decodeBeacon = object({
  ...step,
  /** What the value is and where it can be looked up. */
  source: text(512),
  value: hexText(32),
  /** The value is hashed 2^iterationsLog times. */
  iterationsLog: integer(0, MAX_BEACON_LOG),
});

const decodePhase1 = object({
  /** SHA-256 of the powers-of-tau file, and the two of its points that stand in every key made from it. */
  digest,
  alpha: pointG1,
  beta: pointG2,
  /** SHA-256 of the proving key before any contribution, which the circuit and the powers determine. */
  zkey: digest,
});

const decodeSetup = object(
  {
    v: oneOf(1),
    state: oneOf(...SETUP_STATES),
    /** SHA-256 of the circuit's `.r1cs` file. */
    circuitDigest: digest,
    /** `verificationKeyDigest` of the key that came out. */
    keyDigest: digest,
    phase1: nullable(decodePhase1),
    contributions: array(decodeContribution, MAX_CONTRIBUTIONS),
    beacon: nullable(decodeBeacon),
  },
  // What the circuit was compiled from, one of the two: a model, or the architecture of models whose weights are private.
  { modelDigest: digest, architectureDigest: digest },
);

/** A parsed `setup.json`. */
export type Setup = Decoded<typeof decodeSetup>;

/** One contribution of a setup. */
export type Contribution = Setup["contributions"][number];

/** The beacon of a setup: a contribution whose factor everybody can compute, after which nobody chooses any more. */
export type Beacon = NonNullable<Setup["beacon"]>;

/** What a circuit was compiled from: one model, or the architecture of all models whose weights are private. */
export type SetupSubject = { readonly modelDigest: Sha256Digest } | { readonly architectureDigest: Sha256Digest };

/** Whether `setup` is of `subject`. */
export function isSetupOf(setup: Setup, subject: SetupSubject): boolean {
  const [model, architecture] =
    "modelDigest" in subject ? [subject.modelDigest, undefined] : [undefined, subject.architectureDigest];
  return setup.modelDigest === model && setup.architectureDigest === architecture;
}

/** What every step leaves. */
export type SetupStep = Pick<Contribution, "previous" | "next" | "zkey" | "delta1" | "delta2">;

function refuse(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", `setup: ${reason}`);
}

/**
 * A setup from its parsed document. Checks form alone, and that the parts fit the state.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function decodeSetupDocument(value: JsonValue | undefined, place = "setup"): Setup {
  const setup = decodeSetup(value, place);
  const { state, phase1, contributions, beacon } = setup;
  if ((setup.modelDigest === undefined) === (setup.architectureDigest === undefined)) {
    refuse("it is of one model or of one architecture");
  }
  if (state === "dev-insecure") {
    if (phase1 !== null || contributions.length > 0 || beacon !== null) refuse("a `dev-insecure` key has no transcript");
    return setup;
  }
  if (phase1 === null) refuse(`\`${state}\` needs its powers of tau`);
  if (state === "single-party" && (contributions.length > 1 || beacon !== null)) refuse("a single party contributes once");
  return setup;
}

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseSetup(bytes: Uint8Array): Setup {
  if (bytes.length > MAX_SETUP_BYTES) refuse(`more than ${MAX_SETUP_BYTES} bytes`);
  return decodeSetupDocument(parseJson(bytes));
}

const stepJson = ({ previous, next, zkey, delta1, delta2 }: SetupStep): JsonObject => ({
  previous,
  next,
  zkey,
  delta1: g1Json(delta1),
  delta2: g2Json(delta2),
});

/** The document of a setup. */
export function setupDocument(setup: Setup): JsonObject {
  const { phase1, contributions, beacon, ...head } = setup;
  return {
    ...head,
    phase1: phase1 === null ? null : { ...phase1, alpha: g1Json(phase1.alpha), beta: g2Json(phase1.beta) },
    contributions: contributions.map((item) => ({
      ...stepJson(item),
      name: item.name,
      publicKey: item.publicKey,
      signature: encodeHex(item.signature),
      proof: { commitment: g1Json(item.proof.commitment), response: item.proof.response.toString() },
    })),
    beacon:
      beacon === null
        ? null
        : { ...stepJson(beacon), source: beacon.source, value: beacon.value, iterationsLog: beacon.iterationsLog },
  };
}

/** The bytes of `setup.json`: the document in JCS. */
export function encodeSetup(setup: Setup): Uint8Array {
  return encodeJcs(setupDocument(setup));
}

/** SHA-256 of `encodeSetup`: by which a trust file names one transcript. */
export function transcriptDigest(setup: Setup): Sha256Digest {
  return digestOfJson(setupDocument(setup));
}

/** The setup of a key that whoever ran the setup can forge under. */
export function devSetup(digests: SetupSubject & Pick<Setup, "circuitDigest" | "keyDigest">): Setup {
  return { v: 1, state: "dev-insecure", ...digests, phase1: null, contributions: [], beacon: null };
}

/** The hash that the first step names as `previous`. */
export function startHash({ circuitDigest }: Pick<Setup, "circuitDigest">, phase1: NonNullable<Setup["phase1"]>): Sha256Digest {
  const { digest: powers, alpha, beta, zkey } = phase1;
  return digestOfJson({
    purpose: "triseal.zk.transcript.v1",
    circuitDigest,
    powers,
    alpha: g1Json(alpha),
    beta: g2Json(beta),
    zkey,
  });
}

/** The hash after a step that made `delta1` and `delta2` and left the proving key `zkey`. */
export function nextHash(circuitDigest: Sha256Digest, after: Omit<SetupStep, "next">): Sha256Digest {
  const { previous, zkey, delta1, delta2 } = after;
  return digestOfJson({
    purpose: "triseal.zk.step.v1",
    circuitDigest,
    previous,
    zkey,
    delta1: g1Json(delta1),
    delta2: g2Json(delta2),
  });
}

/** What a contributor signs. */
export function contributionMessage(
  circuitDigest: Sha256Digest,
  { previous, next }: Pick<SetupStep, "previous" | "next">,
): Uint8Array {
  return encodeJcs({ purpose: "triseal.zk.contribution.v1", circuitDigest, previous, next });
}

const bigEndian = (value: bigint): Uint8Array => parseHex(value.toString(16).padStart(64, "0"));
const g1Bytes = ({ x, y }: PointG1): Uint8Array => concatBytes(bigEndian(x), bigEndian(y));
const g2Bytes = ({ x, y }: PointG2): Uint8Array => concatBytes(...[...x, ...y].map(bigEndian));
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${encodeHex(bytes)}`);

/**
 * The challenge of a contribution's Schnorr proof: the first 31 bytes of a SHA-256, as a big-endian number, so that every value
 * is below the field order. Coordinates are 32 bytes each, most significant first.
 */
export function challengeOf(
  circuitDigest: Sha256Digest,
  previous: Sha256Digest,
  points: { readonly before: PointG1; readonly delta1: PointG1; readonly delta2: PointG2; readonly commitment: PointG1 },
): bigint {
  const { before, delta1, delta2, commitment } = points;
  const parts = [digestBytes(circuitDigest), digestBytes(previous), g1Bytes(before), g1Bytes(delta1), g2Bytes(delta2)];
  return numberOf(sha256Bytes(concatBytes(utf8("triseal.zk.factor.v1\0"), ...parts, g1Bytes(commitment))).subarray(0, 31));
}

/**
 * The factor of a beacon: its value hashed 2^iterationsLog times with SHA-256, then two hashes of that and of `previous` as one
 * number modulo the field order.
 * @throws TrisealError `FORMAT_INVALID` in the one case in 2^254 where it is zero.
 */
export function beaconFactor({ previous, value, iterationsLog }: Pick<Beacon, "previous" | "value" | "iterationsLog">): bigint {
  let hash = parseHex(value);
  for (let left = 2 ** iterationsLog; left > 0; left--) hash = sha256Bytes(hash);
  const half = (at: number) =>
    sha256Bytes(concatBytes(utf8("triseal.zk.beacon.v1\0"), digestBytes(previous), hash, Uint8Array.of(at)));
  const factor = numberOf(concatBytes(half(0), half(1))) % FIELD_ORDER;
  return factor === 0n ? refuse("the beacon's factor is zero") : factor;
}
