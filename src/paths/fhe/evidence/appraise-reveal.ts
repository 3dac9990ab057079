/** The auditor's side of a reveal (SPEC 11): what a key holder said of a run, judged with the run's bundle, which was verified before. */
import { type Basis, type Check, Checklist } from "../../../core/check.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import { type Bundle, parseBundle } from "../../../receipt/bundle.ts";
import type { RevokedSet } from "../../path.ts";
import { holderConfigurationDigest } from "../wire/key-holder.ts";
import {
  auctionOf,
  claimDigest,
  parseReveal,
  type Reveal,
  type RevealStatement,
  revealNonce,
  verifyRevealSignature,
} from "../wire/reveal.ts";
import { findType, readClear } from "../wire/value-type.ts";
import { claimOfBundle, type ReceiptedClaim } from "./receipted-claim.ts";
import { revealChecks } from "./reveal-check-table.ts";
import { couldPermit } from "./reveal-rule.ts";
import { attestedSection, namedHolder, parseFheTrust, type TrustedHolder } from "./trust-section.ts";

export type { RevealStatement } from "../wire/reveal.ts";

/** A clock may differ from the auditor's by a minute. */
const CLOCK_LAG_SECONDS = 60;

/** Evidence to be appraised: the path that knows evidence does it. */
export interface HolderEvidence {
  readonly evidence: Uint8Array;
  /** In the form of `paths.tee`. The configuration stands there as the model of the holder's name. */
  readonly section: JsonObject;
  readonly holder: string;
  readonly configuration: Sha256Digest;
  readonly at: UnixSeconds;
  readonly revoked: RevokedSet;
}

/** What evidence shows. Whether it may be relied on, the checks say. */
export interface ShownHolder {
  readonly checks: readonly Check[];
  /** Null where it could not be read. */
  readonly shown: {
    readonly type: string;
    /** Whether no hardware vouches for it. */
    readonly simulated: boolean;
    readonly nonce: string;
    /** Ed25519, 64 hexadecimal digits. */
    readonly publicKeys: readonly string[];
    readonly configurations: readonly Sha256Digest[];
  } | null;
}

/** Appraises the evidence package of a key holder. */
export type AppraiseHolder = (evidence: HolderEvidence) => Promise<ShownHolder>;

/** A sentence that an accepted reveal supports. */
export interface RevealClaim {
  readonly about: "answer" | "confidentiality";
  readonly text: string;
  readonly basis: Basis;
}

/** What came out. `statement` is null where the reveal could not be read; `claims` are for one whose every check passed. */
export interface AppraisedReveal {
  readonly checks: readonly Check[];
  readonly holder: string | null;
  readonly statement: RevealStatement | null;
  readonly claims: readonly RevealClaim[];
}

/** What a reveal is judged with. */
export interface RevealInputs {
  /** The run's bundle, which the caller has verified under the service that `section` is of. */
  readonly bundle: Uint8Array;
  /** `paths.fhe` of that service; null where it has none. */
  readonly section: JsonObject | null;
  readonly revoked: RevokedSet;
  readonly now: UnixSeconds;
  readonly appraiseHolder: AppraiseHolder;
}

type RevealChecklist = Checklist<typeof revealChecks>;

/** Appraises a reveal. Never throws on bad bytes. Does not verify the bundle. */
export async function appraiseReveal(bytes: Uint8Array, inputs: RevealInputs): Promise<AppraisedReveal> {
  const checks: RevealChecklist = new Checklist(revealChecks);
  const reveal = checks.attempt("reveal.well-formed", "assertion", () => parseReveal(bytes));
  if (reveal === null) return { checks: checks.all(), holder: null, statement: null, claims: [] };
  checks.expect("reveal.well-formed", true, "assertion");
  expectOfRun(reveal, parseBundle(inputs.bundle), checks);
  expectSigned(reveal, inputs, checks);
  const holder = holderIn(inputs.section, reveal.statement);
  const section = holder === null ? null : attestedSection(holder);
  const configuration = holderConfigurationDigest(reveal.configuration);
  checks.expect("reveal.configuration", reveal.statement.configuration === configuration, "signature");
  const isNamed = holder?.attested?.configuration === configuration;
  checks.expect("reveal.holder-named", isNamed, "assertion", holder?.holder ?? `key ${reveal.statement.keyId.slice(0, 16)}…`);
  const { statement, evidence, attestedAt: at } = reveal;
  if (holder === null || section === null) return { checks: checks.all(), holder: null, statement, claims: [] };
  const { revoked } = inputs;
  const found = await inputs.appraiseHolder({ evidence, section, holder: holder.holder, configuration, at, revoked });
  if (found.shown !== null) expectBound(reveal, found.shown, checks);
  const claims = found.shown === null ? [] : claimsOf(statement, holder.holder, found.shown);
  return { checks: [...checks.all(), ...found.checks], holder: holder.holder, statement, claims };
}

/** Whether the statement is about the run of the bundle, and a holder of this configuration could have permitted it. */
function expectOfRun({ statement, configuration }: Reveal, bundle: Bundle, checks: RevealChecklist): void {
  const found = checks.attempt("reveal.claim", "signature", () => claimOfBundle(bundle));
  checks.expect("reveal.claim", found !== null && isAbout(statement, found), "signature");
  const permitted = found !== null && couldPermit(configuration, found.claim, statement.output);
  checks.expect("reveal.permitted", permitted, "signature");
}

function expectSigned(reveal: Reveal, { now, revoked }: RevealInputs, checks: RevealChecklist): void {
  const { statement, attestedAt, publicKey } = reveal;
  checks.expect("reveal.signature", verifyRevealSignature(reveal), "signature");
  checks.expect("reveal.key-not-revoked", !revoked.keys.has(publicKey), "assertion");
  const type = findType(statement.type);
  checks.expect("reveal.value", type !== null && readClear(statement.value, type) !== null, "signature");
  const ordered = statement.decidedAt <= attestedAt && attestedAt <= now + CLOCK_LAG_SECONDS;
  checks.expect("reveal.order", ordered, "assertion", "by the holder's clock");
}

/** Null also for a section that cannot be read: then no bundle was accepted under it. */
function holderIn(section: JsonObject | null, { keyId }: RevealStatement): TrustedHolder | null {
  try {
    return namedHolder(parseFheTrust(section), keyId);
  } catch (error) {
    if (isTrisealError(error)) return null;
    throw error;
  }
}

/** Whether the evidence is that of this statement, this key and this configuration. */
function expectBound(reveal: Reveal, shown: NonNullable<ShownHolder["shown"]>, checks: RevealChecklist): void {
  const [configuration, ...others] = shown.configurations;
  const only = others.length === 0 && configuration === reveal.statement.configuration;
  checks.expect("reveal.configuration", only, "signature", "in the evidence");
  checks.expect("reveal.key-attested", shown.publicKeys.includes(reveal.publicKey), "signature");
  checks.expect("reveal.evidence-bound", shown.nonce === revealNonce(reveal), "signature");
}

/** Whether every member that names something of the run names what is in its claim. */
function isAbout(statement: RevealStatement, { claim, receiptId }: ReceiptedClaim): boolean {
  const output = claim.outputs.find(({ n }) => n === statement.output);
  const { key, build } = claim.engine;
  return (
    statement.keyId === claim.keyId &&
    statement.receiptId === receiptId &&
    statement.claim === claimDigest(claim) &&
    statement.auction === auctionOf(claim) &&
    statement.programDigest === claim.programDigest &&
    statement.digest === output?.digest &&
    statement.type === output.t &&
    statement.engine.key === key &&
    statement.engine.build === build
  );
}

function claimsOf(
  { output, value, sequence, engine }: RevealStatement,
  holder: string,
  { type, simulated }: NonNullable<ShownHolder["shown"]>,
): readonly RevealClaim[] {
  const who = simulated
    ? `${holder}, a process that calls itself a key holder (${type} evidence: no hardware vouches for it)`
    : `${holder}, an attested key holder (${type})`;
  return [
    { about: "answer", text: `${output} is ${value}: decrypted by ${who}`, basis: simulated ? "assertion" : "attestation" },
    {
      about: "answer",
      text: "the engine signed that the program gave this ciphertext, of inputs that were proven; the holder demanded no more of it",
      basis: engine.basis,
    },
    {
      about: "confidentiality",
      text: `the holder decrypts what its configuration names, each auction once; this was its reveal ${sequence}, and nothing here shows that its memory was not set back`,
      // A TPM measures what booted; the host reads the memory all the same.
      basis: simulated || type === "tpm2" ? "assertion" : "attestation",
    },
  ];
}
