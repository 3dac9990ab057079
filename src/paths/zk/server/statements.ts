/** Threshold statements: taken once under a challenge, and cited by later requests of the same tenant while they hold. */
import { TrisealError } from "../../../core/errors.ts";
import { type Clock, holdsUntil, type UnixSeconds } from "../../../core/time.ts";
import { NOTHING_STATED, type PathAnswer, type PathRoute, type StatementSource, type Submission } from "../../path.ts";
import { statementFacts } from "../evidence/statement-appraiser.ts";
import { zkError } from "../wire/codes.ts";
import {
  MAX_STATEMENT_BYTES,
  MAX_STATEMENT_SECONDS,
  parseStatement,
  STATEMENT_CONTEXT,
  STATEMENT_LEG_TYPE,
  type Statement,
  SUBMITS_STATEMENT,
  statementSignals,
  verifyCredential,
} from "../wire/statement.ts";
import { parseSubmittedLeg } from "../wire/submitted-leg.ts";
import { answerTo, assertDecided, type CallerProvenModel, challengeRoute, readSubmitted } from "./caller-routes.ts";

/** Somebody whose word about balances the operator takes. */
export interface KnownSigner {
  readonly name: string;
  /** Ed25519, 64 hexadecimal digits. */
  readonly publicKey: string;
}

/** What it takes to take statements. */
export interface StatementOptions {
  /** The statement's circuit and key, as a model. */
  readonly key: CallerProvenModel;
  readonly signers: readonly KnownSigner[];
  readonly clock: Clock;
}

function isKnown({ signed: { credential, publicKey } }: Statement, signers: readonly KnownSigner[]): boolean {
  return signers.some((signer) => signer.publicKey === publicKey && signer.name === credential.issuer);
}

/** Whether the signer's word counts, for this tenant, now. */
function assertCredential(statement: Statement, tenant: string, { signers }: StatementOptions, now: UnixSeconds): void {
  const { signed, expiry } = statement;
  const { subject, issuedAt, notAfter } = signed.credential;
  if (!verifyCredential(signed)) throw zkError("ZK_CREDENTIAL_INVALID", "the credential's signature does not verify");
  if (!isKnown(statement, signers)) throw zkError("ZK_SIGNER_UNKNOWN", "no signer of that name and key is known here");
  if (subject !== tenant) throw zkError("ZK_CREDENTIAL_SUBJECT", "the credential was issued to another tenant");
  const holds = issuedAt <= now && holdsUntil(expiry, now);
  if (!holds || expiry > notAfter || expiry > now + MAX_STATEMENT_SECONDS)
    throw zkError("ZK_STATEMENT_EXPIRED", "the statement does not hold now, or for longer than it may");
}

function answerOf(submission: Submission, options: StatementOptions): PathAnswer {
  const { key, clock } = options;
  const statement = readSubmitted(() => parseStatement(submission.body));
  assertDecided(statement, submission);
  assertCredential(statement, submission.tenant, options, clock());
  if (!key.verifier.verify(statement.proof, statementSignals(statement)))
    throw zkError("ZK_PROOF_INVALID", "the proof does not hold for what the statement says");
  const outputs = [{ name: "holds", datatype: "BOOL" as const, shape: [1], data: Uint8Array.of(1) }];
  return answerTo(submission, key, { context: STATEMENT_CONTEXT, mediaType: STATEMENT_LEG_TYPE }, outputs, NOTHING_STATED);
}

/** The addresses `statement-challenges` and `statements`. */
export function statementRoutes(options: StatementOptions): readonly PathRoute[] {
  return [
    challengeRoute("statement-challenges", SUBMITS_STATEMENT, [options.key]),
    {
      kind: "submission",
      address: "statements",
      maxBodyBytes: MAX_STATEMENT_BYTES,
      submits: SUBMITS_STATEMENT,
      parse: (body) => {
        const { nonce, modelDigest } = readSubmitted(() => parseStatement(body));
        return { nonce, modelDigest };
      },
      accept: async (submission, { signal }) => {
        if (signal.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted");
        return answerOf(submission, options);
      },
    },
  ];
}

/** Reads statements out of receipts of this gateway, whose proofs it verified when it took them. */
export function statementSource({ signers }: StatementOptions): StatementSource {
  return {
    legMediaType: STATEMENT_LEG_TYPE,
    read: (leg, blob) => {
      const { requestDigest, keyDigest, setupDigest } = parseSubmittedLeg(STATEMENT_CONTEXT, leg);
      const cites = [requestDigest, keyDigest, setupDigest];
      const statement = parseStatement(blob(requestDigest) ?? new Uint8Array());
      // A signer that the operator withdrew since vouches for nothing.
      if (!isKnown(statement, signers)) return null;
      const { expiry, signed } = statement;
      return { facts: statementFacts(statement), tenant: signed.credential.subject, expiry, cites };
    },
  };
}
