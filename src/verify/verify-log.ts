/** Checks that documents are in the log, under checkpoints that the trusted witnesses cosigned. */
import type { Sha256Digest } from "../core/digest.ts";
import type { UnixSeconds } from "../core/time.ts";
import {
  type Cosignature,
  encodeLeaf,
  type LeafKind,
  leafHash,
  parseTlogProof,
  readCosignatures,
  type TlogProof,
  verifyCheckpoint,
  verifyTlogProof,
} from "../log/index.ts";
import type { RevokedSet } from "../paths/path.ts";
import type { TrustedService } from "../trust/trust-file.ts";
import { CLOCK_LAG_SECONDS, type Moment, type VerifyContext } from "./context.ts";

/** Checks that say of a document that it is in the log. */
type InclusionCheck = "log.receipt" | "log.session" | "log.policy" | "log.supplement";

/** Where a document stands in a log, and when trusted witnesses had seen it. */
export interface Logged {
  readonly origin: string;
  readonly index: number;
  /** The moment by which enough trusted witnesses had seen it; null where no witness did or something fails. */
  readonly moment: Moment | null;
}

/** Origin that the log proof of the receipt with this digest names, unverified; null where there is no readable proof. */
export function logOrigin(receipt: Sha256Digest, context: VerifyContext): string | null {
  const proof = context.bundle.log.get(receipt)?.proof;
  if (proof !== undefined) {
    return context.checks.attempt("log.receipt", "signature", () => parseTlogProof(proof).checkpoint.origin);
  }
  context.checks.expect("log.receipt", false, "signature", "no proof in the bundle");
  return null;
}

/**
 * Verifies that `document` is in the log of `service`. Returns what its proof says, or null where there is no readable
 * proof; whether that is so, the checks say.
 */
export function verifyLogged(
  check: InclusionCheck,
  kind: LeafKind,
  document: Sha256Digest,
  service: TrustedService,
  revoked: RevokedSet,
  context: VerifyContext,
): Logged | null {
  const entry = context.bundle.log.get(document);
  context.use("log", document);
  if (entry === undefined) {
    context.checks.expect(check, false, "signature", "no proof in the bundle");
    return null;
  }
  const proof = context.checks.attempt(check, "signature", () => parseTlogProof(entry.proof));
  if (proof === null) return null;
  const included = verifyTlogProof(proof, leafHash(encodeLeaf(kind, document, entry.salt)));
  context.checks.expect(check, included, "signature", `leaf ${proof.index} of ${proof.checkpoint.size}`);
  const moment = verifyProofSignatures(proof, service, revoked, context);
  return { origin: proof.checkpoint.origin, index: proof.index, moment };
}

/**
 * Records whether the cited documents were in the log before the receipt: in one log by their leaves, and across two logs
 * of one service by what witnesses saw. Otherwise a gateway could answer first, and log afterwards whatever suits the answer.
 */
export function verifyLogOrder(receipt: Logged | null, cited: readonly (Logged | null)[], context: VerifyContext): void {
  if (receipt === null) return;
  const late = cited.find((document) => document !== null && !isBefore(document, receipt));
  const detail = late ? `leaf ${late.index} of ${late.origin}, the receipt is leaf ${receipt.index} of ${receipt.origin}` : "";
  context.checks.expect("log.order", late === undefined, "signature", detail);
}

function isBefore(document: Logged, receipt: Logged): boolean {
  if (document.origin === receipt.origin) return document.index < receipt.index;
  const [seen, then] = [document.moment, receipt.moment];
  return seen === null || then === null || seen.seconds <= then.seconds + CLOCK_LAG_SECONDS;
}

function verifyProofSignatures(
  proof: TlogProof,
  service: TrustedService,
  revoked: RevokedSet,
  context: VerifyContext,
): Moment | null {
  const { checks } = context;
  const { origin } = proof.checkpoint;
  const logs = service.logs.filter((log) => log.origin === origin);
  const keys = logs.map((log) => log.publicKey);
  const verified = checks.attempt("log.checkpoint", "signature", () => verifyCheckpoint(proof.noteText, origin, keys));
  if (verified === null) return null;
  checks.expect("log.checkpoint", true, "signature");
  checks.expect("log.key-not-revoked", !revoked.keys.has(verified.publicKey), "assertion");
  context.waive(`log ${origin}`, logs.find((log) => log.publicKey === verified.publicKey)?.because);
  return verifyWitnesses(proof, service, keys, revoked, context);
}

function verifyWitnesses(
  proof: TlogProof,
  service: TrustedService,
  logKeys: readonly string[],
  revoked: RevokedSet,
  context: VerifyContext,
): Moment | null {
  const { checks } = context;
  const { witnesses } = service;
  const named = "keys" in witnesses ? witnesses.keys : [];
  const { cosignatures, foreign } = readCosignatures(proof.note, proof.checkpoint.origin, logKeys, named);
  // One line is the log's and every other one a counted cosignature: a second line of the log or of a witness was verified by nobody.
  const known = foreign.length === 0 && proof.note.signatures.length === cosignatures.length + 1;
  checks.expect("log.signatures-known", known, "signature", foreign[0]?.name ?? "");
  if (!("keys" in witnesses)) {
    context.waive("no witnesses", witnesses.because);
    return null;
  }
  const counted = cosignatures.filter(({ witness }) => !revoked.keys.has(witness.publicKey));
  for (const { witness } of counted) {
    context.waive(`witness ${witness.name}`, witnesses.keys.find((entry) => entry.publicKey === witness.publicKey)?.because);
  }
  const reached = checks.expect(
    "log.quorum",
    counted.length >= witnesses.quorum,
    "signature",
    `${counted.length} of ${witnesses.quorum}`,
  );
  const seconds = reached ? quorumTime(counted, witnesses.quorum) : null;
  return seconds === null ? null : { seconds, basis: "signature" };
}

/** The earliest moment by which `quorum` witnesses had cosigned. */
function quorumTime(cosignatures: readonly Cosignature[], quorum: number): UnixSeconds | null {
  return cosignatures.map(({ time }) => time).sort((left, right) => left - right)[quorum - 1] ?? null;
}
