/** The proving key that a challenge names, as a file for the prover. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TrisealClient } from "../../client/index.ts";
import { digestOf } from "../../core/digest.ts";
import { type CallerTerms, keyAddress, readHandedKey } from "../../paths/zk/client/caller-proofs.ts";
import type { VerificationKey } from "../../paths/zk/wire/documents.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { ZK_FILES } from "./make-key.ts";

/** The key of `folder` where it is the one that is named; else as the gateway serves it. */
async function provingKey({ provingKey: named }: CallerTerms, client: TrisealClient, folder: string | null): Promise<Uint8Array> {
  const own = folder === null ? null : await readFile(join(folder, ZK_FILES.zkey)).catch(() => null);
  if (own !== null && digestOf(new Uint8Array(own)) === named.digest) return new Uint8Array(own);
  return client.document(keyAddress(named.digest), { digest: named.digest, maxBytes: named.bytes });
}

/**
 * Runs `work` with the key in a file of its own, which is removed afterwards.
 * @param folder where the key may be already; null looks nowhere.
 * @throws TrisealError `ZK_KEY_INVALID` as `readHandedKey`; `VERIFICATION_FAILED` for other bytes than are named.
 */
export async function withHandedKey<T>(
  terms: CallerTerms,
  client: TrisealClient,
  folder: string | null,
  work: (zkeyFile: string, key: VerificationKey) => Promise<T>,
): Promise<T> {
  const zkey = await provingKey(terms, client, folder);
  const key = readHandedKey(zkey, terms);
  return inTemporaryFolder(async (temporary) => {
    const zkeyFile = join(temporary, ZK_FILES.zkey);
    await writeFile(zkeyFile, zkey, { mode: 0o600 });
    return work(zkeyFile, key);
  });
}
