/** Proves on this machine that a signed balance is at least a threshold, and submits the statement. */
import { STATEMENT_SUBMISSION, type TrisealClient, type VerifiedAnswer } from "../../client/index.ts";
import { hexBytes, matching, object, oneOf } from "../../core/decode.ts";
import { digestOf } from "../../core/digest.ts";
import { parseJson } from "../../core/json.ts";
import { unixSeconds } from "../../core/time.ts";
import { readCallerTerms } from "../../paths/zk/client/caller-proofs.ts";
import { compileThreshold, thresholdWitness } from "../../paths/zk/compile/threshold.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import { encodeR1cs } from "../../paths/zk/wire/r1cs.ts";
import {
  encodeStatement,
  type SignedCredential,
  statementSignals,
  THRESHOLD_STATEMENT,
  type UnprovenStatement,
} from "../../paths/zk/wire/statement.ts";
import { withHandedKey } from "./handed-key.ts";
import { type ProvenWitness, type ProveOptions, proveWitness } from "./prove-sample.ts";

const SALT_BYTES = 16;

const decodeOpening = object({
  v: oneOf(1),
  salt: hexBytes(SALT_BYTES),
  balance: matching(/0|[1-9][0-9]{0,19}/, "a balance in decimal"),
});

/** What opens a commitment to a balance: for its holder alone. */
export interface BalanceOpening {
  readonly salt: Uint8Array;
  readonly balance: bigint;
}

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseOpening(bytes: Uint8Array): BalanceOpening {
  const { salt, balance } = decodeOpening(parseJson(bytes), "opening");
  return { salt, balance: BigInt(balance) };
}

/** What is to be stated. */
export interface ThresholdWish {
  readonly signed: SignedCredential;
  readonly opening: BalanceOpening;
  readonly threshold: number;
  /** The first second at which the statement is to hold no longer. */
  readonly expiry: number;
}

/** A statement that the gateway receipted. */
export interface SubmittedStatement extends Omit<ProvenWitness, "proof" | "publicSignals"> {
  readonly answer: VerifiedAnswer;
}

/**
 * States the threshold under a challenge. Balance and salt stay here.
 * @throws TrisealError `INPUT_OUT_OF_RANGE` for a balance below the threshold, or another than the credential commits to, before
 *   anything is sent; the service's code for a refusal; `ZK_SETUP_INVALID` for another circuit than this one; `ZK_KEY_INVALID`;
 *   `VERIFICATION_FAILED`; of the prover.
 */
export async function stateThreshold(
  { signed, opening, threshold, expiry }: ThresholdWish,
  client: TrisealClient,
  options: ProveOptions,
): Promise<SubmittedStatement> {
  const circuit = compileThreshold();
  const { name, digest } = THRESHOLD_STATEMENT;
  const wish = { threshold, expiry: unixSeconds(expiry), signed };
  // Nothing can be proven that does not hold: said before the service is asked.
  const anywhere = { modelDigest: digest, decisionDigest: digest, factsDigest: digest, nonce: "0".repeat(32) };
  thresholdWitness(circuit, statementSignals({ ...anywhere, ...wish }), opening).fill(0);
  options.stage("asking for a challenge");
  const challenge = await client.challenge({ model: name, modelDigest: digest, kind: STATEMENT_SUBMISSION });
  const { modelDigest, decisionDigest, factsDigest, nonce } = challenge;
  const stated: UnprovenStatement = { modelDigest, decisionDigest, factsDigest, nonce, ...wish };
  const terms = readCallerTerms(challenge.terms);
  if (terms.circuitDigest !== digestOf(encodeR1cs(circuit.system)))
    throw zkError("ZK_SETUP_INVALID", "the service's circuit of the statement is another than this one");
  const publicSignals = statementSignals(stated);
  const make = () => ({ file: thresholdWitness(circuit, publicSignals, opening), publicSignals });
  const { proof, prover, ms, loadMs } = await withHandedKey(terms, client, null, (zkeyFile, key) =>
    proveWitness(zkeyFile, key, make, options),
  );
  options.stage("submitting");
  const answer = await client.submit(challenge, encodeStatement({ ...stated, proof }));
  return { answer, prover, ms, loadMs };
}
