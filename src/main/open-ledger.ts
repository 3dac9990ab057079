/** Opens what the gateway writes to: log, blobs and stored answers, with the witnesses that watch the log. */
import { join } from "node:path";
import type { Signer } from "../core/ed25519.ts";
import type { Clock } from "../core/time.ts";
import { Ledger } from "../gateway/ledger.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { BlobStore } from "../log/store/blob-store.ts";
import { makeDurableDirectory, nodeFiles } from "../log/store/files.ts";
import { TransparencyLog } from "../log/store/transparency-log.ts";
import { createWitnessClient, type WitnessClient } from "../log/store/witness-client.ts";
import type { TrisealConfig } from "./config.ts";
import type { Started } from "./started.ts";
import { createVaultKeys } from "./vault-keys.ts";

/** Where the ledger stands, and who signs its log. */
export interface LedgerSetup {
  readonly config: TrisealConfig;
  readonly signer: Signer;
  readonly clock: Clock;
}

/** How often keys of stored answers that are past retention are deleted. */
const SWEEP_INTERVAL_MS = 3_600_000;

/** The ledger of the configured data folder. @throws TrisealError `LOG_LOCKED`, `LOG_CORRUPT`. */
export async function openLedger({ config, signer, clock }: LedgerSetup, started: Started): Promise<Ledger> {
  const log = await TransparencyLog.open({
    directory: join(config.dataDir, "log"),
    origin: config.log.origin,
    signer,
    files: nodeFiles,
  });
  started.add(() => log.close());
  const blobs = join(config.dataDir, "blobs");
  await makeDurableDirectory(blobs);
  const vault = createVaultKeys(join(config.dataDir, "vault"), config.retainDays, clock);
  await vault.sweep();
  const sweeping = setInterval(() => void vault.sweep().catch(() => undefined), SWEEP_INTERVAL_MS);
  sweeping.unref();
  started.add(() => clearInterval(sweeping));
  return Ledger.open(log, new BlobStore(nodeFiles, blobs), vault);
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
