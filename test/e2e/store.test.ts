/** The store's contract, on the embedded database and on PostgreSQL. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { digestOfJson, type Sha256Digest } from "../../src/core/digest.ts";
import type { AcceptedJob, DatabaseLocation, IndexEntry, StoreDatabase } from "../../src/store/index.ts";
import { until } from "./gateway-process.ts";
import { type PostgresServer, postgresPrograms, startPostgres } from "./postgres.ts";

type Store = typeof import("../../src/store/index.ts");

/** The embedded database runs in a thread, which is started from the build. */
const builtStore = "../../dist/src/store/index.js";
const { openDatabase, SqlReceiptIndex, JobTable, JobQueue, emptyTables } = (await import(builtStore)) as Store;

const hex = (seed: number) => seed.toString(16).padStart(64, "0");
const keyHash = hex(0xabc);

/** A log of which the index sees sizes and hashes only. */
function logOf(origin: string, size: number, salt = 0) {
  return { origin, size, leafHashAt: (index: number) => hex(index + 1 + salt) };
}

function receiptEntry(leafIndex: number, key: string | null = null, salt = 0): IndexEntry {
  const id = `rcpt-${leafIndex.toString(16).padStart(32, "0")}`;
  const keyUse = key === null ? null : { keyHash: key, requestHash: hex(leafIndex) };
  return {
    leafIndex,
    leafHash: hex(leafIndex + 1 + salt),
    shared: null,
    receipt: { id, keyHash, tenant: "acme", servedAt: 1000 + leafIndex, parentId: null },
    jobs: [],
    keyUse,
  };
}

function sharedEntry(leafIndex: number, digest: Sha256Digest): IndexEntry {
  return { leafIndex, leafHash: hex(leafIndex + 1), shared: digest, receipt: null, jobs: [], keyUse: null };
}

function jobEntry(leafIndex: number, accepted: AcceptedJob): IndexEntry {
  return { leafIndex, leafHash: hex(leafIndex + 1), shared: null, receipt: null, jobs: [accepted], keyUse: null };
}

function job(id: string, leafIndex = 0): AcceptedJob {
  return {
    id,
    tenant: "acme",
    keyHash,
    path: "zk",
    model: "digits",
    acceptedAt: 10,
    deadlineAt: 100,
    leafIndex,
    receiptId: `rcpt-${id}`,
    parentId: null,
  };
}

const programs = postgresPrograms();
if (programs === null) console.warn("skipped on PostgreSQL: its server is not installed (Debian package postgresql)");

let server: PostgresServer | null = null;
let folder = "";
let databases = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-store-"));
  if (programs !== null) server = await startPostgres(programs);
});

afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A place for a fresh database of a kind. */
async function locate(kind: "PGlite" | "PostgreSQL"): Promise<DatabaseLocation> {
  const name = `store_${databases++}`;
  if (kind === "PGlite") return { embedded: { folder: join(folder, name), template: null } };
  return { url: (await server?.database(name)) ?? "" };
}

const kinds: readonly ("PGlite" | "PostgreSQL")[] = programs === null ? ["PGlite"] : ["PGlite", "PostgreSQL"];

describe.each(kinds)("the store on %s", (kind) => {
  let location: DatabaseLocation;
  let database: StoreDatabase;
  let origins = 0;
  const origin = () => `test/log/${origins++}`;

  beforeAll(async () => {
    location = await locate(kind);
    database = await openDatabase(location);
  });

  afterAll(() => database.close());

  test("a receipt is found at once, and after it was written", async () => {
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(origin(), 0));
    index.add(receiptEntry(0));
    expect(await index.receipt(`rcpt-${"0".repeat(32)}`)).toEqual({ leafIndex: 0, keyHash });
    await index.flush();
    expect(await index.receipt(`rcpt-${"0".repeat(32)}`)).toEqual({ leafIndex: 0, keyHash });
    expect(await index.receipt(`rcpt-${"1".repeat(32)}`)).toBeNull();
  });

  /** Leaves of a log that the tables have. */
  const written = async (log: string) =>
    Number((await database.db.selectFrom("shards").select("size").where("shard", "=", log).executeTakeFirst())?.size ?? 0);

  test("entries are gathered, and written together once their time has come", async () => {
    const log = origin();
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 0));
    index.add(receiptEntry(0));
    await index.flush();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      index.add(receiptEntry(1));
      index.add(receiptEntry(2));
      expect([await written(log), await written(log)]).toEqual([1, 1]);
      vi.advanceTimersByTime(1000);
    } finally {
      vi.useRealTimers();
    }
    await until(async () => (await written(log)) === 3, "entries in the tables");
    await index.close();
  });

  test("a job is written at once, and what came before it first", async () => {
    const log = origin();
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 0));
    index.add(receiptEntry(0));
    await index.flush();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      index.add(receiptEntry(1));
      index.add(jobEntry(2, job(`job-at-once-${kind}`, 2)));
      index.add(receiptEntry(3));
      // No timer runs meanwhile: what is written was due.
      let count = 0;
      for (let look = 0; look < 1000 && count < 3; look++) count = await written(log);
      expect(count).toBeGreaterThanOrEqual(3);
    } finally {
      vi.useRealTimers();
    }
    expect(await new JobTable(database.db, log).find(`job-at-once-${kind}`)).toMatchObject({ state: "queued" });
    await index.close();
    expect(await written(log)).toBe(4);
  });

  test("the first use of a key stands, in memory and in the tables", async () => {
    const log = origin();
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 0));
    const key = hex(0xfeed);
    index.add(receiptEntry(0, key));
    index.add(receiptEntry(1, key));
    const first = { leafIndex: 0, requestHash: hex(0) };
    expect(await index.keyUse(key)).toEqual(first);
    await index.flush();
    index.add(receiptEntry(2, key));
    expect(await index.keyUse(key)).toEqual(first);
    await index.flush();
    const reopened = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 3));
    expect(await reopened.keyUse(key)).toEqual(first);
    expect(await reopened.keyUse(hex(0xbeef))).toBeNull();
  });

  test("thousands of entries are written in order, and a reopened index goes on where it ended", async () => {
    const log = origin();
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 0));
    for (let leaf = 0; leaf < 2300; leaf++) index.add(receiptEntry(leaf, hex(0x10000 + leaf)));
    await index.flush();
    const reopened = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 2300));
    expect(reopened.size).toBe(2300);
    expect(await reopened.keyUse(hex(0x10000 + 2299))).toEqual({ leafIndex: 2299, requestHash: hex(2299) });
    expect(() => reopened.add(receiptEntry(2301))).toThrow(RangeError);
  });

  test("a list holds one key's receipts of a time, page by page", async () => {
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(origin(), 0));
    for (let leaf = 0; leaf < 5; leaf++) index.add(receiptEntry(leaf));
    const listing = { keyHash, from: 1001, to: 1003, limit: 2 };
    const first = await index.list({ ...listing, after: -1 });
    expect(first.map(({ servedAt }) => servedAt)).toEqual([1001, 1002]);
    const second = await index.list({ ...listing, after: first.at(-1)?.leafIndex ?? -1 });
    expect(second.map(({ servedAt }) => servedAt)).toEqual([1003]);
    expect(await index.list({ ...listing, keyHash: hex(7), after: -1 })).toEqual([]);
  });

  test("a shared document has the leaf where it was logged first", async () => {
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(origin(), 0));
    const digest = digestOfJson(5);
    index.add(sharedEntry(0, digest));
    index.add(sharedEntry(1, digest));
    await index.flush();
    expect(await index.sharedLeaf(digest)).toBe(0);
    expect(await index.sharedLeaf(digestOfJson(6))).toBeNull();
  });

  test.each([
    ["is ahead of the log", 1, 0],
    ["is of another log of that name", 2, 99],
  ])("an index that %s is refused, and works again once emptied", async (_, size, salt) => {
    const log = origin();
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 0));
    index.add(receiptEntry(0));
    index.add(receiptEntry(1));
    await index.flush();
    await expect(SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, size, salt))).rejects.toMatchObject({
      code: "STORE_FOREIGN",
    });
    await emptyTables(database.db, log);
    expect((await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, size, salt))).size).toBe(0);
  });

  test("a job moves from queued over running to its first end, which stands", async () => {
    const log = origin();
    const jobs = new JobTable(database.db, log);
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(log, 0));
    index.add(jobEntry(0, job("job-a")));
    index.add(jobEntry(1, { ...job("job-a"), model: "other" }));
    await index.flush();
    expect(await jobs.find("job-a")).toMatchObject({ state: "queued", model: "digits", attempts: 0 });
    expect(await jobs.openOf("acme")).toBe(1);
    expect(await jobs.start("job-a")).toMatchObject({ state: "running", attempts: 1 });
    await jobs.progress("job-a", 0.5, "witness");
    expect(await jobs.find("job-a")).toMatchObject({ progress: 0.5, stage: "witness" });
    expect(await jobs.finish("job-a", { state: "answered", code: null, at: 50 })).toBe(true);
    expect(await jobs.finish("job-a", { state: "cancelled", code: "JOB_CANCELLED", at: 51 })).toBe(false);
    expect(await jobs.start("job-a")).toBeNull();
    expect(await jobs.find("job-a")).toMatchObject({ state: "answered", progress: 1, finishedAt: 50, code: null });
    expect(await jobs.open()).toEqual([]);
  });

  test("a job of another log is not there", async () => {
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf(origin(), 0));
    index.add(jobEntry(0, job("job-b")));
    await index.flush();
    const other = new JobTable(database.db, origin());
    expect(await other.find("job-b")).toBeNull();
    expect(await other.start("job-b")).toBeNull();
    expect(await other.finish("job-b", { state: "cancelled", code: null, at: 1 })).toBe(false);
  });

  test("what is queued is done once, and again after a failure", async () => {
    const queue = await JobQueue.open(database);
    const done: string[] = [];
    let failed = false;
    await queue.work("zk", { concurrency: 2, maxAttempts: 3, attemptSeconds: 30 }, (id) => {
      if (id === "flaky" && !failed) {
        failed = true;
        return Promise.reject(new Error("the prover died"));
      }
      done.push(id);
      return Promise.resolve();
    });
    for (const id of ["a", "b", "flaky"]) await queue.enqueue("zk", id);
    await until(() => done.length === 3, "all jobs");
    expect([...done].sort()).toEqual(["a", "b", "flaky"]);
    await queue.close();
  });
});

test.runIf(programs !== null)(
  "an index outlives its database: it answers from memory, and writes when the database is back",
  async () => {
    const location = await locate("PostgreSQL");
    const database = await openDatabase(location);
    const index = await SqlReceiptIndex.open(Promise.resolve(database.db), logOf("test/outage", 0));
    index.add(receiptEntry(0));
    await index.flush();
    await server?.kill();
    index.add(receiptEntry(1));
    expect(await index.receipt(`rcpt-${"1".padStart(32, "0")}`)).toEqual({ leafIndex: 1, keyHash });
    await expect(index.receipt(`rcpt-${"0".repeat(32)}`)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await until(
      () =>
        index.flush().then(
          () => null,
          () => true,
        ),
      "the failure",
    );
    await server?.start();
    await until(
      () =>
        index.flush().then(
          () => true,
          () => null,
        ),
      "the write",
    );
    expect(await index.receipt(`rcpt-${"1".padStart(32, "0")}`)).toEqual({ leafIndex: 1, keyHash });
    await database.close();
  },
);

test("a database that cannot be reached is coded, and its address is not repeated", async () => {
  const url = "postgres://user:planted-password@127.0.0.1:1/none";
  const error: unknown = await openDatabase({ url }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(String(error)).not.toContain("planted-password");
});
