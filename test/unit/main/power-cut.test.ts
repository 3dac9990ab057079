import { describe, expect, it } from "vitest";
import { MemoryFiles, type PowerCut } from "../log-store/memory-files.ts";
import { temporaryFolder } from "../log-store/store-fixture.ts";
import {
  afterPowerCut,
  brokenPromise,
  type Home,
  live,
  liveIdle,
  makeHome,
  nothing,
  type Promised,
  vaultKeys,
} from "./storage-life.ts";
import { syncSites } from "./sync-sites.ts";

/** Days of the processes of a life; on the last one the key of the first is past retention. */
const DAYS = [0, 2];
const LAST_DAY = 2;

/** Every place that syncs: what is synced, and by which function. A new one that is not listed here fails the first test. */
const SITES: readonly string[] = [
  "names of base in makeDurableDirectory",
  "names of base/srv in makeDurableDirectory",
  "names of base/srv/data in makeDurableDirectory",
  "names of base/srv/data/blobs in BlobStore.put",
  "names of base/srv/data/blobs/<hh> in BlobStore.put",
  "names of base/srv/data/blobs/<hh> in replaceFile",
  "names of base/srv/data/keys in KeyStore.settle",
  "names of base/srv/data/keys in replaceFile",
  "names of base/srv/data/log in open",
  "names of base/srv/data/log/checkpoints in replaceFile",
  "names of base/srv/data/log/records in performSteps",
  "names of base/srv/data/log/records/<hh> in performSteps",
  "names of base/srv/data/vault in replaceFile",
  "names of base/srv/data/vault in sweep",
  "sync of base/srv/data/blobs/<hh>/<hash> in replaceFile",
  "sync of base/srv/data/keys/<key>.json in replaceFile",
  "sync of base/srv/data/log/checkpoints/<size> in replaceFile",
  "sync of base/srv/data/log/leaves in LeafFile.settle",
  "sync of base/srv/data/log/leaves in performSteps",
  "sync of base/srv/data/log/records/<hh>/<hash> in performSteps",
  "sync of base/srv/data/vault/<day>.key in replaceFile",
];

/** A machine, with one place that syncs switched off. */
interface Machine {
  readonly home: Home;
  readonly disabled: string | null;
  readonly seen: Set<string>;
}

async function liveUntil({ home, disabled, seen }: Machine, cutAt: number): Promise<{ disk: MemoryFiles; promised: Promised }> {
  const disk = new MemoryFiles().mount(home.base);
  disk.cutAt = cutAt;
  const promised = nothing();
  await live(syncSites(disk, home.base, seen, disabled), home, promised, DAYS);
  return { disk, promised };
}

/** What is lost after a power cut, or null. */
async function lossAfter(machine: Machine, disk: MemoryFiles, promised: Promised, cut: PowerCut): Promise<string | null> {
  const left = afterPowerCut(disk, machine.home, cut);
  const names = vaultKeys(left, machine.home);
  if (promised.sweptOn === LAST_DAY && names.some((name) => name === "2026-09-21.key")) return "a deleted key is back";
  return await brokenPromise(left, machine.home, promised, LAST_DAY).catch((error: unknown) => String(error));
}

/** A power cut at an operation; and a kill there, with a power cut after the next process has lived, idle or not. */
async function lossAt(machine: Machine, cutAt: number): Promise<string | null> {
  const { disk, promised } = await liveUntil(machine, cutAt);
  for (const cut of ["drops", "tears"] as const) {
    const loss = await lossAfter(machine, disk, promised, cut);
    if (loss !== null) return loss;
  }
  for (const idle of [true, false]) {
    const next = disk.afterKill().mount(machine.home.base);
    const files = syncSites(next, machine.home.base, machine.seen, machine.disabled);
    const told = structuredClone(promised);
    await (idle ? liveIdle(files, machine.home, told, LAST_DAY) : live(files, machine.home, told, [LAST_DAY]));
    const loss = await lossAfter(machine, next, told, "drops");
    if (loss !== null) return loss;
  }
  return null;
}

async function machine(disabled: string | null = null): Promise<Machine> {
  return { home: await makeHome(await temporaryFolder()), disabled, seen: new Set() };
}

async function countOperations(whole: Machine): Promise<number> {
  const { disk, promised } = await liveUntil(whole, Number.POSITIVE_INFINITY);
  expect(promised.answers).toHaveLength(DAYS.length);
  return disk.operations;
}

/** The first loss that a search finds: first where all was told, then from the first operation on. */
async function findLoss(broken: Machine, operations: number): Promise<string | null> {
  for (let cut = 0; cut <= operations; cut++) {
    const loss = await lossAt(broken, cut === 0 ? operations + 1 : cut);
    if (loss !== null) return loss;
  }
  return null;
}

describe("a power cut under keys, log, records, blobs and vault", () => {
  it("at whatever operation, also after a kill and a restart, loses nothing that was acknowledged", async () => {
    const whole = await machine();
    const operations = await countOperations(whole);
    const losses: string[] = [];
    for (let cutAt = 1; cutAt <= operations + 1; cutAt++) {
      const loss = await lossAt(whole, cutAt);
      if (loss !== null) losses.push(`${cutAt}: ${loss}`);
    }
    expect(losses).toEqual([]);
    expect([...whole.seen].sort()).toEqual(SITES);
  }, 120_000);

  it.each(SITES)(
    "loses something where nothing is done by the %s",
    async (site) => {
      const broken = await machine(site);
      const operations = await countOperations(await machine());
      expect(await findLoss(broken, operations)).not.toBeNull();
      expect(broken.seen).toContain(site);
    },
    120_000,
  );
});
