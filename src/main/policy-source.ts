/** The policy in force: read at start, and again when its file changes; a bad one keeps the last good one and turns readiness off. */
import { readFile, stat } from "node:fs/promises";
import { isTrisealError } from "../core/errors.ts";
import type { ActivePolicy, GatewayOptions } from "../gateway/options.ts";
import { parsePolicy, parsePolicyStatement, verifyPolicyStatement } from "../policy/index.ts";

/** Where policy and statement stand, and who may sign. */
export interface PolicyFiles {
  readonly policy: string;
  readonly statement: string;
  /** Public keys that may sign policies here, 64 hexadecimal digits each. */
  readonly signers: readonly string[];
}

/**
 * Reads policy and statement.
 * @throws TrisealError `POLICY_INVALID`: malformed, not signed by a signer, or signed for other bytes.
 */
export async function readActivePolicy(files: PolicyFiles): Promise<ActivePolicy> {
  const policyBytes = new Uint8Array(await readFile(files.policy));
  const policy = parsePolicy(policyBytes);
  const statementBytes = new Uint8Array(await readFile(files.statement));
  const signed = parsePolicyStatement(statementBytes);
  if (!files.signers.some((key) => verifyPolicyStatement(signed, key)))
    throw new Error("the policy statement is not signed by the policy key");
  if (signed.statement.policyDigest !== policy.digest) throw new Error("the policy statement signs another policy text");
  const { notBefore, notAfter } = signed.statement;
  return { policy, policyBytes, statementBytes, notBefore, notAfter };
}

/** A policy that follows its files. */
export interface PolicySource {
  readonly current: GatewayOptions["policy"];
  /** What is wrong with the files now, or null; the last good policy goes on deciding. */
  readonly problem: () => string | null;
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
  let active = await readActivePolicy(files);
  let problem: string | null = null;
  let seen = await stamp(files);
  await onChange(active);
  const poll = async () => {
    try {
      const now = await stamp(files);
      if (now === seen) return;
      const next = await readActivePolicy(files);
      await onChange(next);
      active = next;
      seen = now;
      problem = null;
    } catch (error) {
      problem = isTrisealError(error) || error instanceof Error ? error.message : "unreadable";
    }
  };
  const timer = setInterval(() => void poll(), POLL_INTERVAL_MS);
  timer.unref();
  // The last good policy goes on deciding: a bad file must not stop what was allowed, nor allow more.
  return {
    current: () => active,
    problem: () => problem,
    close: () => clearInterval(timer),
  };
}
