/** Attacks on an answer whose decision rests on an earlier statement of its tenant. */
import { signCredential } from "../../src/paths/zk/wire/statement.ts";
import type { Attack } from "../fixtures/attack.ts";
import type { Changes } from "../fixtures/bundle.ts";
import {
  BANK,
  bank,
  credentialOf,
  type StatementChange,
  type StatementEntry,
  stranger,
  trustStatement,
  withOwnStatement,
  withStatement,
} from "../fixtures/statement.ts";
import { at } from "../fixtures/world.ts";

interface StatementAttack extends Omit<Attack, "changes" | "trust"> {
  readonly made?: StatementChange;
  readonly more?: Changes;
  readonly section?: (section: StatementEntry) => void;
  readonly revoked?: string;
}

function attack({ made, more, section, revoked, ...rest }: StatementAttack): Attack {
  return {
    ...rest,
    changes: () => withStatement(made, more),
    trust: (entry) => {
      trustStatement(entry, section);
      if (revoked !== undefined)
        Object.assign(entry, { revoked: { keys: [{ publicKey: revoked, because: "withdrawn" }], measurements: [] } });
    },
  };
}

const expired = { check: "zk.statement-current", code: "ZK_STATEMENT_EXPIRED" };
const proof = { check: "zk.proof", code: "ZK_PROOF_INVALID" };
const told = { check: "decision.statement", code: "DECISION_STATEMENT_MISMATCH" };
const honest = { proven_threshold: 10_000, proven_unit: "usd", proven_by: BANK };

const attacks: readonly StatementAttack[] = [
  {
    name: "on a credential that the bank did not sign",
    check: "zk.credential-signed",
    code: "ZK_CREDENTIAL_INVALID",
    made: { signed: (signed) => ({ ...signed, signature: signCredential(signed.credential, stranger).signature }) },
  },
  {
    name: "on a credential that was changed after it was signed",
    check: "zk.credential-signed",
    code: "ZK_CREDENTIAL_INVALID",
    made: { signed: (signed) => ({ ...signed, credential: credentialOf({ notAfter: at(60_000) }) }) },
  },
  {
    name: "on the word of somebody whom nobody named",
    check: "zk.signer-accepted",
    code: "ZK_SIGNER_UNKNOWN",
    made: { signed: ({ credential }) => signCredential(credential, stranger) },
  },
  {
    name: "on the word of a bank of another name",
    check: "zk.signer-accepted",
    code: "ZK_SIGNER_UNKNOWN",
    made: { credential: { issuer: "Second Bank" }, facts: { ...honest, proven_by: "Second Bank" } },
  },
  {
    name: "under a trust file that names no signer",
    check: "zk.signer-accepted",
    code: "ZK_SIGNER_UNKNOWN",
    section: (section) => {
      section.signers = [];
    },
  },
  { name: "on the word of a revoked signer", check: "zk.signer-not-revoked", code: "KEY_REVOKED", revoked: bank.publicKey },
  { name: "that had ended", ...expired, made: { stated: { expiry: at(102) } } },
  { name: "that outlives its credential", ...expired, made: { credential: { notAfter: at(1999) } } },
  { name: "on a credential that was not issued yet", ...expired, made: { credential: { issuedAt: at(103) } } },
  {
    name: "that holds for longer than any may",
    ...expired,
    made: { credential: { notAfter: at(500_000) }, stated: { expiry: at(90_000) } },
  },
  {
    name: "that states more than was proven",
    ...proof,
    made: { document: (statement) => ({ ...statement, threshold: 20_000 }), facts: { ...honest, proven_threshold: 20_000 } },
  },
  {
    name: "that states a later end than was proven",
    ...proof,
    made: { document: (statement) => ({ ...statement, expiry: at(3000) }) },
  },
  {
    name: "under another nonce than was proven",
    ...proof,
    made: { document: (statement) => ({ ...statement, nonce: "8".repeat(32) }) },
  },
  {
    name: "with another credential over the same commitment",
    ...proof,
    made: {
      document: (statement) => ({ ...statement, signed: signCredential(credentialOf({ unit: "eur" }), bank) }),
      facts: { ...honest, proven_unit: "eur" },
    },
  },
  {
    name: "whose credential was signed anew for the tenant that uses it",
    ...proof,
    made: {
      credential: { subject: "other" },
      document: (statement) => ({ ...statement, signed: signCredential(credentialOf(), bank) }),
    },
  },
  {
    name: "of another tenant",
    check: "statement.tenant",
    code: "STATEMENT_TENANT_MISMATCH",
    made: { credential: { subject: "other" } },
  },
  {
    name: "of another receipt than the caller cites",
    check: "statement.cited",
    code: "STATEMENT_MISMATCH",
    made: { event: (event) => ({ ...event, receipt_id: `rcpt-${"6".repeat(32)}` }) },
  },
  {
    name: "that is not in the bundle",
    check: "statement.cited",
    code: "STATEMENT_MISMATCH",
    made: { withoutLeg: true },
  },
  {
    name: "of a kind that states nothing",
    check: "statement.cited",
    code: "STATEMENT_MISMATCH",
    made: { event: (event) => ({ ...event, evidence_media_type: "text/plain" }) },
  },
  { name: "that shows less than policy was told", ...told, made: { facts: { ...honest, proven_threshold: 10_001 } } },
  { name: "that shows another unit than policy was told", ...told, made: { facts: { ...honest, proven_unit: "btc" } } },
  { name: "that shows what policy was not told", ...told, made: { facts: { proven_threshold: 10_000, proven_by: BANK } } },
];

/** All of them, and facts of a statement that nobody made. */
export const statementAttacks: readonly Attack[] = [
  ...attacks.map(attack),
  {
    name: "that calls a statement an answer of another model",
    check: "zk.model-accepted",
    code: "TRUST_UNKNOWN_MODEL",
    changes: () => withOwnStatement(),
    trust: (entry) => trustStatement(entry),
  },
  {
    name: "told of a threshold without any statement",
    ...told,
    changes: {
      facts: (facts) => [...facts, { name: "request.proven_threshold", origin: "evidence", value: 1_000_000 }],
    },
  },
];
