/** Signed policy statements: that a policy is in force, from when to when, and which came before it. */
import { concatBytes, encodeHex, parseHex, utf8 } from "../core/bytes.ts";
import { digest, hexText, integer, object, oneOf, seconds, text } from "../core/decode.ts";
import type { Sha256Digest } from "../core/digest.ts";
import { type Signer, verifyEd25519 } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { parseJson } from "../core/json.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";

/** Largest signed statement, in bytes. */
export const MAX_STATEMENT_BYTES = 4096;

const STATEMENT_DOMAIN = utf8("triseal.policy.v1\0");

/** What a policy key states. */
export type PolicyStatementBody = {
  readonly v: 1;
  /** SHA-256 of the policy's exact bytes. */
  readonly policyDigest: Sha256Digest;
  /** Higher for every later policy of one service; a relying party names the least that it accepts. */
  readonly sequence: number;
  readonly notBefore: UnixSeconds;
  /** First second at which the statement no longer holds. */
  readonly notAfter: UnixSeconds;
};

/** A statement with its signature, Ed25519 over `"triseal.policy.v1\0"` and the JCS form of `statement`. */
export type PolicyStatement = {
  readonly statement: PolicyStatementBody;
  readonly keyId: string;
  /** The signer's public key, 64 hexadecimal digits. It selects an entry of the trust file; it proves nothing. */
  readonly publicKey: string;
  readonly signature: string;
};

const decodeSigned = object({
  statement: object({ v: oneOf(1), policyDigest: digest, sequence: integer(), notBefore: seconds, notAfter: seconds }),
  keyId: text(64),
  publicKey: hexText(32),
  signature: hexText(64),
});

function signedMessage(statement: PolicyStatementBody): Uint8Array {
  return concatBytes(STATEMENT_DOMAIN, encodeJcs(statement));
}

function assertPeriod(statement: PolicyStatementBody): void {
  if (statement.notAfter <= statement.notBefore) {
    throw new TrisealError("FORMAT_INVALID", "policy statement: `notAfter` is not later than `notBefore`");
  }
}

/**
 * The bytes of a signed statement, in JCS form.
 * @throws TrisealError `FORMAT_INVALID` where the period is empty.
 */
export function signPolicyStatement(statement: PolicyStatementBody, signer: Signer): Uint8Array {
  assertPeriod(statement);
  const signature = encodeHex(signer.sign(signedMessage(statement)));
  return encodeJcs({ statement, keyId: signer.keyId, publicKey: signer.publicKey, signature });
}

/**
 * Parses a signed statement of at most 4 kB. Does not verify its signature, nor whose key it is.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parsePolicyStatement(bytes: Uint8Array): PolicyStatement {
  if (bytes.length > MAX_STATEMENT_BYTES) {
    throw new TrisealError("FORMAT_INVALID", `policy statement: larger than ${MAX_STATEMENT_BYTES} bytes`);
  }
  const signed = decodeSigned(parseJson(bytes), "policy statement");
  assertPeriod(signed.statement);
  return signed;
}

/**
 * Whether `signed` names `publicKey` (64 hexadecimal digits) and is signed by it. Never throws. Does not check whose key
 * that is, whether the statement is in force, or its sequence.
 */
export function verifyPolicyStatement(signed: PolicyStatement, publicKey: string): boolean {
  if (signed.publicKey !== publicKey) return false;
  try {
    return verifyEd25519(publicKey, signedMessage(signed.statement), parseHex(signed.signature));
  } catch {
    return false;
  }
}

/** Whether the statement holds at `at`: from `notBefore` on, until just before `notAfter`. */
export function isInForce(statement: PolicyStatementBody, at: UnixSeconds): boolean {
  return statement.notBefore <= at && holdsUntil(statement.notAfter, at);
}
