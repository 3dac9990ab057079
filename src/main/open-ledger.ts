/** What the gateway writes to, opened as one ledger: log, blobs and vault, with the witnesses that watch the log. */
import { join } from "node:path";
import type { Signer } from "../core/ed25519.ts";
import type { Clock } from "../core/time.ts";
import { Ledger } from "../gateway/ledger.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { BlobStore } from "../log/store/blob-store.ts";
import { type DurableFiles, makeDurableDirectory } from "../log/store/files.ts";
import { TransparencyLog } from "../log/store/transparency-log.ts";
import { createWitnessClient, type WitnessClient } from "../log/store/witness-client.ts";
import type { ReceiptIndex } from "../store/index.ts";
import type { TrisealConfig } from "./config.ts";
import type { Started } from "./started.ts";
import { createVaultKeys, type VaultKeyFolder } from "./vault-keys.ts";

/** How often keys of stored answers that are past retention are deleted. */
const SWEEP_INTERVAL_MS = 3_600_000;

/** Where a ledger is opened, and as whom. */
export interface LedgerPlace {
  readonly dataDir: string;
  /** Name of the log. */
  readonly origin: string;
  /** Signs checkpoints. */
  readonly signer: Signer;
  /** Age at which keys of stored answers are deleted; null deletes none now. */
  readonly retainDays: number | null;
  readonly clock: Clock;
  readonly files: DurableFiles;
  /** Opens the index of the log; it is brought up to the log's end then. */
  readonly openIndex: (log: TransparencyLog) => Promise<ReceiptIndex>;
}

/**
 * Opens or makes the ledger of a data folder, whose lock it takes: close `ledger.log`. Vault keys past retention are deleted.
 * @throws TrisealError `LOG_LOCKED`, `LOG_CORRUPT`, `FORMAT_INVALID` for a damaged record.
 */
export async function openLedger(place: LedgerPlace): Promise<{ readonly ledger: Ledger; readonly vault: VaultKeyFolder }> {
  const { dataDir, origin, signer, retainDays, clock, files, openIndex } = place;
  const log = await TransparencyLog.open({ directory: join(dataDir, "log"), origin, signer, files });
  try {
    const blobs = join(dataDir, "blobs");
    await makeDurableDirectory(files, blobs);
    const vault = createVaultKeys(join(dataDir, "vault"), retainDays ?? Number.POSITIVE_INFINITY, clock, files);
    if (retainDays !== null) await vault.sweep();
    return { ledger: await Ledger.open(log, new BlobStore(files, blobs), vault, await openIndex(log)), vault };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** The ledger of a running gateway: stored answers are forgotten in time. @throws TrisealError as `openLedger`. */
export async function startLedger(place: LedgerPlace, started: Started): Promise<Ledger> {
  const { ledger, vault } = await openLedger(place);
  started.add(() => ledger.log.close());
  const sweeping = setInterval(() => void vault.sweep().catch(() => undefined), SWEEP_INTERVAL_MS);
  sweeping.unref();
  started.add(() => clearInterval(sweeping));
  return ledger;
}

/** Has the configured witnesses cosign the log from now on. */
export function startWitnesses(config: TrisealConfig, write: OperatorLog, ledger: Ledger, started: Started): void {
  const { quorum, peers, timeoutMs } = config.witnesses;
  if (quorum === 0 || peers.length === 0) return;
  const client: WitnessClient = createWitnessClient({
    origin: config.log.origin,
    witnesses: peers,
    quorum,
    log: ledger.log,
    roundTimeoutMs: timeoutMs,
    onFailure: (witness, reason) => write({ level: "warn", event: "witness", witness, reason }),
  });
  ledger.useWitnesses(
    async (index) => {
      await client.settled(index, timeoutMs);
    },
    () => client.request(),
  );
  client.request();
  started.add(() => client.close());
}
