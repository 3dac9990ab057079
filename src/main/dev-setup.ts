/** What `serve --dev` makes for itself: keys, an API key, a simulated platform, a signed demo policy and a trust file that names all of it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { listWorkerFiles } from "../../enclave/image/released-file.ts";
import { utf8 } from "../core/bytes.ts";
import type { Signer } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { type UnixSeconds, unixSeconds } from "../core/time.ts";
import type { CatalogModel } from "../gateway/options.ts";
import type { KeyDescription, KeyPurpose } from "../keys/key-store.ts";
import { nodeFiles, replaceFile } from "../log/store/files.ts";
import { workerFilesDigest } from "../paths/tee/wire/keyset.ts";
import { parsePolicy, parsePolicyStatement, signPolicyStatement } from "../policy/index.ts";
import type { TrisealConfig } from "./config.ts";
import { encodeTrustDraft, teeSection } from "./draft-trust.ts";
import { makeSecretFile } from "./secret-file.ts";

/** The reason that every weak entry of a development trust file repeats. */
export const BECAUSE = "development: made by `triseal serve --dev` on this machine";
const HEADER = [
  "Made by `triseal serve --dev`. It accepts simulated evidence and development keys: whoever runs this machine can make",
  "receipts that pass it. It shows how verification works, and proves nothing about hardware.",
];
const POLICY_LIFETIME_SECONDS = 30 * 86_400;

/** The development API key of a data folder. */
export async function makeDevApiKey(dataDir: string): Promise<string> {
  await nodeFiles.makeDirectory(join(dataDir, "dev"));
  return `dev-${await makeSecretFile(join(dataDir, "dev", "api-key"), 24)}`;
}

/**
 * Signs the policy file with the development policy key, unless a statement for these bytes is there and still in force.
 * @throws TrisealError `CONFIG_INVALID` where the file cannot be read, `POLICY_INVALID`.
 */
export async function signDevPolicy(policyFile: string, statementFile: string, signer: Signer, now: UnixSeconds): Promise<void> {
  const bytes = await readFile(policyFile).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", `policy.file: cannot read \`${policyFile}\``, { cause });
  });
  const { digest } = parsePolicy(new Uint8Array(bytes));
  const existing = await nodeFiles.read(statementFile);
  let sequence = 1;
  if (existing !== null) {
    const { statement, publicKey } = parsePolicyStatement(existing);
    if (statement.policyDigest === digest && publicKey === signer.publicKey && statement.notAfter > now + 86_400) return;
    sequence = statement.sequence + 1;
  }
  const statement = {
    v: 1,
    policyDigest: digest,
    sequence,
    notBefore: now,
    notAfter: unixSeconds(now + POLICY_LIFETIME_SECONDS),
  } as const;
  await replaceFile(nodeFiles, statementFile, signPolicyStatement(statement, signer));
}

/** Most keys of one purpose that a trust file can name. */
const MAX_NAMED_KEYS = 16;

/** What a development trust file is made from, beside the keys. */
export interface DevTrust {
  readonly dataDir: string;
  readonly config: TrisealConfig;
  /** Entries about the evidence of its workers. */
  readonly evidence: readonly JsonObject[];
  readonly models: readonly CatalogModel[];
  /** The section of the zk path, with this reason; null where nothing is proven. */
  readonly zkSection: (because: string) => JsonObject | null;
  /** The section of the fhe path; null where no engine runs. */
  readonly fheSection: (because: string) => JsonObject | null;
}

/** A key as the trust file names it. */
export type NamedKey = Pick<KeyDescription, "purpose" | "publicKey" | "revoked">;

/** The development trust file of a data folder. */
export function devTrustFile(dataDir: string): string {
  return join(dataDir, "trust.yaml");
}

/**
 * Writes the trust file that names exactly this development gateway: with its keys past, present and staged, so that older
 * bundles stay readable, the last 16 of each purpose. Revoked keys are named as such.
 * @param keys oldest first.
 */
export async function writeDevTrust(
  { dataDir, config, evidence, models, zkSection, fheSection }: DevTrust,
  keys: readonly NamedKey[],
): Promise<void> {
  const files = await listWorkerFiles();
  const zk = zkSection(BECAUSE);
  const fhe = fheSection(BECAUSE);
  const paths = {
    tee: teeSection({ evidence, workers: [workerFilesDigest(files)], models }),
    ...(zk === null ? {} : { zk }),
    ...(fhe === null ? {} : { fhe }),
  };
  const named = (purpose: KeyPurpose) =>
    keys
      .filter((key) => key.purpose === purpose)
      .map(({ publicKey }) => publicKey)
      .slice(-MAX_NAMED_KEYS);
  const trust = encodeTrustDraft(
    "dev",
    {
      gatewayKeys: named("gateway"),
      teeType: "triseal-none",
      dev: true,
      log: { origin: config.log.origin, publicKeys: named("log") },
      witnesses: {
        quorum: config.witnesses.quorum,
        keys: config.witnesses.peers.map(({ name, publicKey }) => ({ name, publicKey })),
      },
      policySigners: named("policy").map((publicKey) => ({ publicKey, minSequence: 1 })),
      revokedKeys: keys.flatMap(({ publicKey, revoked }) => (revoked === null ? [] : [{ publicKey, because: revoked.because }])),
      paths,
    },
    BECAUSE,
    HEADER,
  );
  await replaceFile(nodeFiles, devTrustFile(dataDir), utf8(trust));
}
