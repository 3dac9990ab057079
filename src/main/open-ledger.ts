/** Log, blobs and vault of a data folder, opened as one ledger. */
import { join } from "node:path";
import type { Signer } from "../core/ed25519.ts";
import type { Clock } from "../core/time.ts";
import { Ledger } from "../gateway/ledger.ts";
import { BlobStore } from "../log/store/blob-store.ts";
import { type DurableFiles, makeDurableDirectory } from "../log/store/files.ts";
import { TransparencyLog } from "../log/store/transparency-log.ts";
import { createVaultKeys, type VaultKeyFolder } from "./vault-keys.ts";

/** Where a ledger is opened, and as whom. */
export interface LedgerPlace {
  readonly dataDir: string;
  /** Name of the log. */
  readonly origin: string;
  /** Signs checkpoints. */
  readonly signer: Signer;
  readonly retainDays: number;
  readonly clock: Clock;
  readonly files: DurableFiles;
}

/**
 * Opens or makes the ledger of a data folder, whose lock it takes: close `ledger.log`. Vault keys past retention are deleted.
 * @throws TrisealError `LOG_LOCKED`, `LOG_CORRUPT`, `FORMAT_INVALID` for a damaged record.
 */
export async function openLedger(place: LedgerPlace): Promise<{ readonly ledger: Ledger; readonly vault: VaultKeyFolder }> {
  const { dataDir, origin, signer, retainDays, clock, files } = place;
  const log = await TransparencyLog.open({ directory: join(dataDir, "log"), origin, signer, files });
  try {
    const blobs = join(dataDir, "blobs");
    await makeDurableDirectory(files, blobs);
    const vault = createVaultKeys(join(dataDir, "vault"), retainDays, clock, files);
    await vault.sweep();
    return { ledger: await Ledger.open(log, new BlobStore(files, blobs), vault), vault };
  } catch (error) {
    await log.close();
    throw error;
  }
}
