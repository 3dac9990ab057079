/**
 * Whether a verification key is the one that a setup's transcript leads to, and whether a relying party accepts that setup.
 *
 * `verifySetup` checks what can be checked without the proving key: every hash and signature, that every contributor knew the
 * factor between two deltas, that both groups agree, the beacon, and that alpha, beta and the last delta are the key's. That the
 * rest of the key is the circuit's needs the powers of tau (`triseal zk verify-setup`) or the word of an honest contributor.
 */
import { bn254 } from "@noble/curves/bn254.js";
import { array, type Decoded, digest, hexText, integer, object, oneOf, text } from "../../../core/decode.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { verifyEd25519 } from "../../../core/ed25519.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { JsonValue } from "../../../core/json.ts";
import { zkError } from "../wire/codes.ts";
import { type PointG1, type PointG2, pointG1, pointG2, type VerificationKey, verificationKeyDigest } from "../wire/documents.ts";
import {
  type Beacon,
  beaconFactor,
  type Contribution,
  challengeOf,
  contributionMessage,
  nextHash,
  type Setup,
  type SetupState,
  type SetupStep,
  startHash,
  transcriptDigest,
} from "../wire/setup.ts";
import { openVerifier, readG1, readG2 } from "./groth16.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp12 } = bn254.fields;

function refuse(reason: string): never {
  throw zkError("ZK_SETUP_INVALID", reason);
}

const g1 = (point: PointG1, what: string) => readG1(point) ?? refuse(`${what} is zero or not on the curve`);
const g2 = (point: PointG2, what: string) => readG2(point) ?? refuse(`${what} is zero or outside its group`);

const sameG1 = (a: PointG1, b: PointG1): boolean => a.x === b.x && a.y === b.y;
const sameG2 = (a: PointG2, b: PointG2): boolean =>
  a.x[0] === b.x[0] && a.x[1] === b.x[1] && a.y[0] === b.y[0] && a.y[1] === b.y[1];

/** The generators: delta before anybody contributed. */
const START: { readonly delta1: PointG1; readonly delta2: PointG2 } = {
  delta1: G1.BASE.toAffine(),
  delta2: {
    x: [G2.BASE.toAffine().x.c0, G2.BASE.toAffine().x.c1],
    y: [G2.BASE.toAffine().y.c0, G2.BASE.toAffine().y.c1],
  },
};

/** The step's hashes, its points, and that delta is the same number in both groups. */
function verifyStep(circuitDigest: Sha256Digest, expected: Sha256Digest, step: SetupStep, what: string): void {
  if (step.previous !== expected) refuse(`${what} does not continue the transcript`);
  if (step.next !== nextHash(circuitDigest, step)) refuse(`${what} states another hash than its own`);
  const [delta1, delta2] = [g1(step.delta1, `delta of ${what}`), g2(step.delta2, `delta of ${what}`)];
  // e(delta1, -g2) e(g1, delta2) = 1
  const product = bn254.pairingBatch([
    { g1: delta1, g2: G2.BASE.negate() },
    { g1: G1.BASE, g2: delta2 },
  ]);
  if (!Fp12.eql(product, Fp12.ONE)) refuse(`delta of ${what} differs between the two groups`);
}

/** The Schnorr proof: `response * before = commitment + challenge * after`. */
function verifyFactor(circuitDigest: Sha256Digest, before: PointG1, { previous, delta1, delta2, proof }: Contribution): boolean {
  const { commitment, response } = proof;
  const challenge = challengeOf(circuitDigest, previous, { before, delta1, delta2, commitment });
  const left = g1(before, "delta").multiplyUnsafe(response);
  return left.equals(g1(commitment, "a commitment").add(g1(delta1, "delta").multiplyUnsafe(challenge)));
}

function verifyContribution(
  circuitDigest: Sha256Digest,
  before: SetupStep | typeof START,
  item: Contribution,
  what: string,
): void {
  if (sameG1(item.delta1, before.delta1)) refuse(`${what} changed nothing`);
  if (!verifyFactor(circuitDigest, before.delta1, item)) refuse(`${what} does not show that its factor was known`);
  const message = contributionMessage(circuitDigest, item);
  if (!verifyEd25519(item.publicKey, message, item.signature)) refuse(`${what} is not signed by its contributor`);
}

function verifyBeacon(before: SetupStep | typeof START, beacon: Beacon): void {
  const factor = beaconFactor(beacon);
  const one = g1(before.delta1, "delta").multiplyUnsafe(factor);
  const two = g2(before.delta2, "delta").multiplyUnsafe(factor);
  if (!one.equals(g1(beacon.delta1, "delta")) || !two.equals(g2(beacon.delta2, "delta"))) {
    refuse("the beacon's factor is not that of its value");
  }
}

function verifyTranscript(setup: Setup, phase1: NonNullable<Setup["phase1"]>, key: VerificationKey): void {
  const { circuitDigest, contributions, beacon } = setup;
  if (!sameG1(phase1.alpha, key.alpha) || !sameG2(phase1.beta, key.beta)) refuse("the key has other powers of tau");
  if (contributions.length === 0) refuse("nobody contributed to the second phase");
  const keys = new Set(contributions.map(({ publicKey }) => publicKey));
  if (keys.size !== contributions.length) refuse("a contributor stands twice");
  let hash = startHash(setup, phase1);
  let before: SetupStep | typeof START = START;
  for (const [at, item] of contributions.entries()) {
    const what = `contribution ${at + 1}`;
    verifyStep(circuitDigest, hash, item, what);
    verifyContribution(circuitDigest, before, item, what);
    [hash, before] = [item.next, item];
  }
  if (beacon !== null) {
    verifyStep(circuitDigest, hash, beacon, "the beacon");
    verifyBeacon(before, beacon);
    before = beacon;
  }
  if (!sameG2(before.delta2, key.delta)) refuse("the transcript does not lead to the delta of this key");
}

/**
 * Checks a setup against the verification key that it is said to have made. Also opens the key (`openVerifier`).
 * @throws TrisealError `ZK_SETUP_INVALID`: a key of another digest, a broken chain, hash, signature or proof, other powers, or a
 *   delta that is not the transcript's; `ZK_KEY_INVALID` for a key that must not be used, such as one without a second phase.
 *   Does not check that the key is the circuit's, nor whether anybody trusts the contributors: see `judgeSetup`.
 */
export function verifySetup(setup: Setup, key: VerificationKey): void {
  openVerifier(key);
  if (verificationKeyDigest(key) !== setup.keyDigest) refuse("the setup is of a key of another digest");
  if (!sameG2(key.gamma, START.delta2)) refuse("gamma is not the generator");
  if (setup.phase1 !== null) verifyTranscript(setup, setup.phase1, key);
}

const because = text(500);

/** Powers of tau that a relying party accepts: the file, and its two points that stand in every key. */
const decodePowers = object({ digest, alpha: pointG1, beta: pointG2 });

const decodeStated = object({ state: oneOf("dev-insecure", "single-party"), because }, { key: digest });
const decodeAnyCeremony = object({ state: oneOf("ceremony"), accept: oneOf("any"), because });
const decodeTranscript = object({ state: oneOf("ceremony"), transcript: digest, powers: decodePowers });
const decodeNamed = object(
  {
    state: oneOf("ceremony"),
    powers: decodePowers,
    contributors: array(object({ name: text(128), publicKey: hexText(32) }), 256),
    minimum: integer(1, 256),
  },
  { beacon: oneOf("required") },
);

/** A setup that a relying party accepts. */
export type AcceptedSetup =
  | Decoded<typeof decodeStated>
  | Decoded<typeof decodeAnyCeremony>
  | Decoded<typeof decodeTranscript>
  | Decoded<typeof decodeNamed>;

function decodeAccepted(value: JsonValue | undefined, place: string): AcceptedSetup {
  const has = (name: string) => typeof value === "object" && value !== null && Object.hasOwn(value, name);
  if (has("transcript")) return decodeTranscript(value, place);
  if (has("accept")) return decodeAnyCeremony(value, place);
  if (!has("contributors")) return decodeStated(value, place);
  const named = decodeNamed(value, place);
  const distinct = new Set(named.contributors.map(({ publicKey }) => publicKey)).size;
  if (distinct !== named.contributors.length || named.minimum > distinct) {
    throw new TrisealError("FORMAT_INVALID", `${place}: the minimum needs ${named.minimum} different contributors`);
  }
  return named;
}

const decodeList = array(decodeAccepted, 64);

/**
 * The list `setups` of a trust file's section `paths.zk`; absent is the empty list, which accepts nothing.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseAcceptedSetups(value: JsonValue | undefined): readonly AcceptedSetup[] {
  if (value === undefined) return [];
  try {
    return decodeList(value, "paths.zk.setups");
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed setups", { cause });
  }
}

/** What a relying party's entries say of a setup. */
export interface SetupJudgement {
  /** `named`: by parties that the relying party named; `unnamed`: accepted without knowing who could forge; null: refused. */
  readonly accepted: "named" | "unnamed" | null;
  /** One line for a person. */
  readonly text: string;
  /** The reason that a weak entry states; null where none was needed. */
  readonly because: string | null;
}

/** Whether `setup` satisfies the entry; of a ceremony also that its powers of tau are those of the entry. */
function fits(setup: Setup, entry: AcceptedSetup): boolean {
  if (entry.state !== setup.state) return false;
  if ("accept" in entry) return true;
  if ("because" in entry) return entry.key === undefined || entry.key === setup.keyDigest;
  const { phase1 } = setup;
  const { powers } = entry;
  if (phase1?.digest !== powers.digest || !sameG1(phase1.alpha, powers.alpha) || !sameG2(phase1.beta, powers.beta)) return false;
  if ("transcript" in entry) return transcriptDigest(setup) === entry.transcript;
  if (entry.beacon === "required" && setup.beacon === null) return false;
  const known = new Set(entry.contributors.map(({ publicKey }) => publicKey));
  return setup.contributions.filter(({ publicKey }) => known.has(publicKey)).length >= entry.minimum;
}

/** What a setup of each state is worth to somebody who named none of its parties. */
const UNNAMED: Readonly<Record<SetupState, string>> = {
  "dev-insecure": "setup `dev-insecure`: whoever made the key can forge proofs",
  "single-party": "setup by one party that you did not name, which can forge proofs",
  ceremony: "setup by parties that you did not name; together they can forge proofs",
};

/**
 * Whether a relying party that wrote `entries` accepts a setup that `verifySetup` checked. A named ceremony goes before weaker
 * entries.
 */
export function judgeSetup(setup: Setup, entries: readonly AcceptedSetup[]): SetupJudgement {
  const fitting = entries.filter((entry) => fits(setup, entry));
  const named = fitting.find((entry) => !("because" in entry));
  if (named !== undefined) {
    const how = "minimum" in named ? `with ${named.minimum} or more contributors that you named` : "whose transcript you named";
    return { accepted: "named", text: `setup by a ceremony ${how}`, because: null };
  }
  const [weak] = fitting;
  const reason = weak !== undefined && "because" in weak ? weak.because : null;
  return { accepted: weak === undefined ? null : "unnamed", text: UNNAMED[setup.state], because: reason };
}

/** A key beside the circuit that it is for. */
export interface RegisteredKey {
  readonly circuitDigest: Sha256Digest;
  readonly key: VerificationKey;
}

/**
 * Two circuits of one shape can have byte-identical `IC`: delta alone tells them apart, and under a shared one a proof of either
 * passes for a proof of the other.
 * @throws TrisealError `ZK_SETUP_INVALID` where keys of two circuits have one delta.
 */
export function assertDistinctDeltas(keys: readonly RegisteredKey[]): void {
  const circuits = new Map<string, Sha256Digest>();
  for (const { circuitDigest, key } of keys) {
    const delta = [...key.delta.x, ...key.delta.y].join();
    const known = circuits.get(delta) ?? circuitDigest;
    if (known !== circuitDigest) refuse("two circuits share one delta: a proof of either would pass for the other");
    circuits.set(delta, circuitDigest);
  }
}
