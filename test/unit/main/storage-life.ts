/** A short life of a data folder, by the code that a gateway runs: keys, log, blobs and vault; and what was promised on the way. */
import { mkdir, rm } from "node:fs/promises";
import { utf8 } from "../../../src/core/bytes.ts";
import type { Sha256Digest } from "../../../src/core/digest.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import { type UnixSeconds, unixSeconds } from "../../../src/core/time.ts";
import { newReceiptId, ReceiptWriter } from "../../../src/gateway/exchange.ts";
import type { Ledger } from "../../../src/gateway/ledger.ts";
import { createServiceIdentity } from "../../../src/gateway/service-identity.ts";
import { KeyStore } from "../../../src/keys/key-store.ts";
import type { DurableFiles } from "../../../src/log/store/files.ts";
import { openLedger } from "../../../src/main/open-ledger.ts";
import { MemoryReceiptIndex } from "../../../src/store/index.ts";
import type { MemoryFiles, PowerCut } from "../log-store/memory-files.ts";
import { cosign, ORIGIN } from "../log-store/store-fixture.ts";

const DAY_SECONDS = 86_400;
const FIRST_DAY = 1_790_000_000;
const RETAIN_DAYS = 2;

const caller = {
  keyHash: "ab".repeat(32),
  tenant: { id: "acme", tier: null, jurisdiction: null },
};

/** An answer that left. */
interface Answered {
  readonly id: string;
  readonly body: Uint8Array;
  /** Hash of the idempotency key that it used up. */
  readonly usedKey: string;
  readonly day: number;
}

/** What was told to somebody. */
export interface Promised {
  readonly answers: Answered[];
  /** Public keys that signed something that left. */
  signers: readonly string[];
  cosigned: number;
  /** Leaves of a checkpoint that was served. */
  size: number;
  /** The day of the last sweep that ended; keys of earlier days past retention must never be seen again. */
  sweptOn: number;
}

/** Nothing was promised yet. */
export const nothing = (): Promised => ({ answers: [], signers: [], cosigned: 0, size: 0, sweptOn: 0 });

let starts = 0;

interface Booted {
  readonly policyDigest: Sha256Digest;
  readonly ledger: Ledger;
  readonly writer: ReceiptWriter;
  readonly signers: readonly string[];
}

/** Folders of one life. The lock file is a real one, in a real folder of the same name. */
export interface Home {
  readonly base: string;
  readonly dataDir: string;
}

/** A home below a real, temporary folder; the folder above the data folder is to be made, too. */
export async function makeHome(base: string): Promise<Home> {
  const dataDir = `${base}/srv/data`;
  await mkdir(`${dataDir}/log`, { recursive: true });
  return { base, dataDir };
}

function clockOf(day: number): () => UnixSeconds {
  return () => unixSeconds(FIRST_DAY + day * DAY_SECONDS);
}

/** What the folder holds, as a gateway finds it before it stores anything of its own. The caller closes `ledger.log`. */
async function open(files: DurableFiles, { dataDir }: Home, day: number) {
  const clock = clockOf(day);
  const keys = new KeyStore(`${dataDir}/keys`, files);
  const created = await keys.init({ dev: false, now: clock() });
  const gateway = await keys.signer("gateway", "production");
  const log = await keys.signer("log", "production");
  const policy = await keys.signer("policy", "production");
  const place = { dataDir, origin: ORIGIN, signer: log, retainDays: RETAIN_DAYS, clock, files };
  const openIndex = () => Promise.resolve(new MemoryReceiptIndex());
  const { ledger } = await openLedger({ ...place, openIndex });
  return { ledger, created, gateway, signers: [gateway.publicKey, log.publicKey, policy.publicKey] };
}

/** Starts on the folder as a gateway does. The caller closes `ledger.log`. */
async function boot(files: DurableFiles, home: Home, day: number): Promise<Booted> {
  const { ledger, created, gateway, signers } = await open(files, home, day);
  try {
    for (const event of created) await ledger.logShared("key", utf8(JSON.stringify(event)));
    // No two starts have the same keyset: what one stored, the next does not store again.
    const identity = createServiceIdentity(gateway, {
      notAfter: unixSeconds(FIRST_DAY + 90 * DAY_SECONDS + starts++),
      dev: false,
      tlsKeys: [],
    });
    // The same at every start, as a policy is.
    const policyDigest = await ledger.store(utf8("a policy"));
    await ledger.storeKeyset(identity.keyset);
    await ledger.store(identity.reportBytes);
    return { policyDigest, ledger, writer: new ReceiptWriter(identity, new Set()), signers };
  } catch (error) {
    await ledger.log.close();
    throw error;
  }
}

async function answer({ ledger, writer, signers, policyDigest }: Booted, promised: Promised, day: number): Promise<void> {
  const id = newReceiptId();
  const body = utf8(`answer ${promised.answers.length} of ${day}`);
  const request = { caller, endpoint: "/v2/models/m/infer", model: "m", body, sealedBy: "none", guessable: false } as const;
  const error = new TrisealError("INTERNAL", "a refusal is an exchange, too");
  const refusal = writer.refusal(id, request, null, error, body, clockOf(day)());
  const exchange = { ...refusal, cites: [...refusal.cites, policyDigest] };
  const usedKey = id.slice(5).repeat(2);
  await ledger.logExchange(exchange, { keyHash: usedKey, requestHash: usedKey, status: 200 });
  promised.answers.push({ id, body, usedKey, day });
  promised.signers = signers;
}

/** One process: starts on `day`, answers, and has its checkpoint cosigned. */
async function liveDay(files: DurableFiles, home: Home, promised: Promised, day: number): Promise<void> {
  const booted = await boot(files, home, day);
  promised.sweptOn = day;
  try {
    promised.size = booted.ledger.log.size;
    await answer(booted, promised, day);
    await cosign(booted.ledger.log);
    promised.cosigned = booted.ledger.log.cosignedSize();
  } finally {
    await booted.ledger.log.close();
  }
}

/** A process that answers nobody, and still serves what it found, under its own checkpoint. */
export async function liveIdle(files: DurableFiles, home: Home, promised: Promised, day: number): Promise<void> {
  const { ledger, signers } = await boot(files, home, day);
  promised.size = ledger.log.size;
  promised.signers = signers;
  await ledger.log.close();
}

/** A life of several processes, one for each of `days`; ends where the disk does. */
export async function live(files: DurableFiles, home: Home, promised: Promised, days: readonly number[]): Promise<void> {
  try {
    for (const day of days) await liveDay(files, home, promised, day);
  } catch {
    await rm(`${home.dataDir}/log/lock`, { force: true });
  }
}

/** What of the promises is not kept by a gateway that starts on these files; null where all are. */
export async function brokenPromise(files: MemoryFiles, home: Home, promised: Promised, day: number): Promise<string | null> {
  const { ledger, signers } = await open(files, home, day);
  try {
    if (promised.size > ledger.log.size) return "leaves of a served checkpoint are gone";
    if (promised.signers.length > 0 && promised.signers.join() !== signers.join()) return "other keys";
    if (promised.cosigned > ledger.log.cosignedSize()) return "a cosigned checkpoint is gone";
    for (const { id, body, usedKey, day: answered } of promised.answers) {
      const bundle = await ledger.bundle(id, caller.keyHash).catch(() => null);
      if (bundle === null) return `no bundle of an answer of day ${answered}`;
      const use = await ledger.keyUse(usedKey);
      if (use === null) return "a used key is free";
      if (day - answered >= RETAIN_DAYS) continue;
      const stored = await ledger.storedResponse(use);
      if (stored === null || stored === "job" || Buffer.compare(stored.body, body) !== 0)
        return `no stored answer of day ${answered}`;
    }
    return null;
  } finally {
    await ledger.log.close();
  }
}

/** Names of vault keys on the disk. */
export function vaultKeys(files: MemoryFiles, { dataDir }: Home): readonly string[] {
  return files
    .paths(`${dataDir}/vault`)
    .map((path) => path.slice(dataDir.length + 7))
    .filter((name) => name.endsWith(".key"));
}

/** The disk of a home after a power cut. */
export function afterPowerCut(files: MemoryFiles, { base }: Home, cut: PowerCut): MemoryFiles {
  return files.afterPowerCut(cut).mount(base);
}
