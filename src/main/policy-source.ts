/** The policy in force: read at start, and again when its file changes; a bad one keeps the last good one and turns readiness off. */
import { readFile, stat } from "node:fs/promises";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { ActivePolicy, GatewayOptions } from "../gateway/options.ts";
import {
  type PolicyStatement,
  parsePolicy,
  parsePolicyStatement,
  type ServedPath,
  unservedRules,
  verifyPolicyStatement,
} from "../policy/index.ts";
import { revokedBy, type TrustedService } from "../trust/trust-file.ts";

/** Where policy and statement stand, who may sign, and what the gateway can obey. */
export interface PolicyFiles {
  readonly policy: string;
  readonly statement: string;
  /** The service of the trust file that names this gateway now: its signers with their least sequence, and its revocations. */
  readonly service: () => TrustedService;
  readonly paths: readonly ServedPath[];
}

/** The paths of this version's gateway. */
export const SERVED_PATHS: readonly ServedPath[] = [
  { id: "tee", confirms: false },
  { id: "zk", confirms: true },
  { id: "fhe", confirms: false },
];

function invalid(reason: string): never {
  throw new TrisealError("POLICY_INVALID", reason);
}

function assertSigned(signed: PolicyStatement, service: TrustedService): void {
  const signer = service.policySigners.find((candidate) => verifyPolicyStatement(signed, candidate.publicKey));
  if (signer === undefined) invalid("the policy statement is not signed by a policy signer of the trust file");
  if (revokedBy(service).keys.has(signer.publicKey)) invalid("the policy signer's key is revoked");
  const { sequence } = signed.statement;
  if (sequence < signer.minSequence)
    invalid(`the policy's sequence ${sequence} is below the ${signer.minSequence} that the trust file asks`);
}

/**
 * Reads policy and statement.
 * @throws TrisealError `POLICY_INVALID`: malformed, not signed as the trust file asks, signed for other bytes, or with
 *   rules that this gateway cannot obey.
 */
async function readActivePolicy(
  files: PolicyFiles,
): Promise<{ readonly active: ActivePolicy; readonly signed: PolicyStatement }> {
  const policyBytes = new Uint8Array(await readFile(files.policy));
  const policy = parsePolicy(policyBytes);
  const statementBytes = new Uint8Array(await readFile(files.statement));
  const signed = parsePolicyStatement(statementBytes);
  assertSigned(signed, files.service());
  if (signed.statement.policyDigest !== policy.digest)
    invalid(
      "the policy statement signs another policy text: `triseal policy sign` signs this one, `serve --dev` does at its start",
    );
  const [unserved] = unservedRules(policy, files.paths);
  if (unserved !== undefined) invalid(`line ${unserved.line}, \`${unserved.rule ?? ""}\`: ${unserved.message}`);
  const { notBefore, notAfter, sequence } = signed.statement;
  return { active: { policy, policyBytes, statementBytes, notBefore, notAfter, sequence }, signed };
}

/** A policy that follows its files. */
export interface PolicySource {
  readonly current: GatewayOptions["policy"];
  /** What is wrong with the files now, or null; the last good policy goes on deciding. */
  readonly problem: () => string | null;
  /** Looks at files and trust now, not at the next turn. Never rejects: what is wrong is the problem then. */
  reload(): Promise<void>;
  close(): void;
}

const POLL_INTERVAL_MS = 1000;

async function stamp(files: PolicyFiles): Promise<string> {
  const stats = await Promise.all([files.policy, files.statement].map((path) => stat(path)));
  return stats.map(({ mtimeMs, size }) => `${mtimeMs}:${size}`).join(" ");
}

/**
 * Follows the files from now on.
 * @param onChange called with each new policy before it comes into force: the gateway logs it.
 * @throws where the first reading fails.
 */
export async function followPolicy(files: PolicyFiles, onChange: (active: ActivePolicy) => Promise<void>): Promise<PolicySource> {
  let inForce = await readActivePolicy(files);
  let problem: string | null = null;
  let withdrawn: string | null = null;
  let trusted = files.service();
  let seen = await stamp(files);
  await onChange(inForce.active);
  const look = async () => {
    const service = files.service();
    if (service !== trusted) {
      trusted = service;
      withdrawn = reasonOf(() => assertSigned(inForce.signed, service));
      // What the files hold is to be judged anew, too.
      seen = "";
    }
    const now = await stamp(files);
    if (now === seen && problem === null) return;
    const next = await readActivePolicy(files);
    if (next.active.sequence < inForce.active.sequence)
      invalid(`the policy's sequence ${next.active.sequence} is below the ${inForce.active.sequence} in force`);
    await onChange(next.active);
    inForce = next;
    withdrawn = null;
    seen = now;
    problem = null;
  };
  let last: Promise<void> = Promise.resolve();
  const reload = () => {
    last = last.then(look).catch((error: unknown) => {
      problem = isTrisealError(error, "POLICY_INVALID") ? error.message : "policy or statement cannot be read";
    });
    return last;
  };
  let polling = false;
  const poll = async () => {
    if (polling) return;
    polling = true;
    await reload();
    polling = false;
  };
  const timer = setInterval(() => void poll(), POLL_INTERVAL_MS);
  timer.unref();
  return {
    // The last good policy goes on deciding: a bad file must not stop what was allowed, nor allow more. One whose signer was
    // withdrawn is not good any more.
    current: () => (withdrawn === null ? inForce.active : { unavailable: withdrawn }),
    problem: () => problem,
    reload,
    close: () => clearInterval(timer),
  };
}

function reasonOf(check: () => void): string | null {
  try {
    check();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : "the policy is not signed as the trust file asks";
  }
}
