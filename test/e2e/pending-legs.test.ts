/** Legs that follow an answer, on both databases: jobs, supplements, restarts. Made-up paths: no prover's time in the way. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TrisealError } from "../../src/core/errors.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { eventsOf, parseBundle } from "../../src/receipt/index.ts";
import type { DatabaseLocation, StoreDatabase } from "../../src/store/index.ts";
import { createBundleVerifier } from "../../src/verify/index.ts";
import { createEchoPath, type EchoScript, echoAppraiser, echoModel, HONEST } from "../contract/echo-paths.ts";
import {
  API_KEY as apiKey,
  NOW,
  ORIGIN,
  OTHER_KEY,
  startGateway,
  type TestGateway,
  trustFor,
} from "../contract/gateway-fixture.ts";
import { testSigner } from "../fixtures/signer.ts";
import { until } from "./gateway-process.ts";
import { type PostgresServer, postgresPrograms, startPostgres } from "./postgres.ts";

type Store = typeof import("../../src/store/index.ts");

/** The embedded database runs in a thread, which is started from the build. */
const builtStore = "../../dist/src/store/index.js";
const { openDatabase, emptyTables } = (await import(builtStore)) as Store;

const verify = createBundleVerifier([echoAppraiser("first"), echoAppraiser("second"), echoAppraiser("third")]);
const trust = trustFor({});
const programs = postgresPrograms();
let server: PostgresServer | null = null;
let folder = "";
let databases = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-pending-"));
  if (programs !== null) server = await startPostgres(programs);
});

afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function locate(kind: string): Promise<DatabaseLocation> {
  const name = `pending_${databases++}`;
  if (kind === "PGlite") return { embedded: { folder: join(folder, name), template: null } };
  return { url: (await server?.database(name)) ?? "" };
}

const RULES = `  - id: follows
    when: "true"
    require: { all: [first, second], evidence: { accept: [echoed, other] } }
    mode: { second: async, deadline: 15m }
`;
const request = JSON.stringify({ id: "9".repeat(32), inputs: [{ name: "x", datatype: "INT32", shape: [2], data: [1, 2] }] });

type Fields = Readonly<Record<string, unknown>>;

/** A gateway whose second path waits until `release` is called. */
async function start(database: StoreDatabase, second: EchoScript = {}, more: Partial<Parameters<typeof startGateway>[0]> = {}) {
  const first = createEchoPath("first", false);
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held: EchoScript["before"] = async (asked, { signal }) => {
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"))),
    );
    await Promise.race([gate, aborted]);
    await second.before?.(asked, { signal });
  };
  const confirming = createEchoPath("second", true, { ...second, before: held }, first.calls);
  const third = createEchoPath("third", true, {}, first.calls);
  const paths = [first, confirming, third];
  const gateway = await startGateway({ paths, models: [echoModel], rules: RULES, database, ...more });
  return { first, second: confirming, gateway, release: () => release() };
}

async function ask(gateway: TestGateway, headers: Readonly<Record<string, string>> = {}) {
  const response = await gateway.post("/v2/models/echo/infer", request, headers);
  const pending = response.headers.get("x-triseal-pending") ?? "";
  const id = response.headers.get("x-receipt-id") ?? "";
  const json = (await response.json()) as Fields;
  return { status: response.status, id, pending, job: /job="([^"]+)"/.exec(pending)?.[1] ?? "", json, response };
}

const jobOf = async (gateway: TestGateway, id: string) => (await (await gateway.get(`/v1/jobs/${id}`)).json()) as Fields;

async function ended(gateway: TestGateway, id: string): Promise<Fields> {
  return until(async () => {
    const job = await jobOf(gateway, id);
    return job["finished_at"] === null ? null : job;
  }, `end of ${id}`);
}

async function judge(gateway: TestGateway, id: string, options: { allowPending?: boolean; now?: number } = {}) {
  const { allowPending = false, now = NOW } = options;
  const shown = { request: null, response: null, opening: null };
  const verdict = await verify(await gateway.bundle(id), trust, { now: unixSeconds(now), at: null, ...shown, allowPending });
  return [verdict.outcome, verdict.code];
}

const supplementsIn = async (gateway: TestGateway, id: string) => parseBundle(await gateway.bundle(id)).supplements;

const kinds = programs === null ? ["PGlite"] : ["PGlite", "PostgreSQL"];

describe.each(kinds)("a leg that follows an answer, on %s", (kind) => {
  let opened: StoreDatabase;
  beforeAll(async () => {
    opened = await openDatabase(await locate(kind));
  });
  afterAll(() => opened.close());

  /** The database without the logs of the tests before: each has one of its own under the same name. */
  async function database(): Promise<StoreDatabase> {
    await emptyTables(opened.db, ORIGIN);
    return opened;
  }

  test("is pending with the deadline of the policy, comes in a supplement, and is in the bundle from then on", async () => {
    const { gateway, release } = await start(await database());
    const { status, id, job, pending } = await ask(gateway);
    expect([status, pending]).toEqual([200, `second;job="${job}";until=${NOW + 900}`]);
    expect(eventsOf(parseBundle(await gateway.bundle(id)).receipt, "leg.sealed")).toMatchObject([
      { path: "first", status: "final" },
      { path: "second", status: "pending", deadline: NOW + 900, sealed_by: "gateway" },
    ]);
    expect(await judge(gateway, id)).toEqual(["rejected", "LEG_PENDING"]);
    expect(await judge(gateway, id, { allowPending: true })).toEqual(["accepted", null]);
    const waiting = await jobOf(gateway, job);
    expect(waiting).toMatchObject({ completes: id, path: "second", code: null, links: { bundle: `/v1/receipts/${id}/bundle` } });
    expect(((await (await gateway.get(`/v1/jobs/${job}/result`)).json()) as Fields)["code"]).toBe("JOB_NOT_ENDED");
    release();
    expect(await ended(gateway, job)).toMatchObject({ state: "answered", code: null });
    expect(await judge(gateway, id)).toEqual(["accepted", null]);
    const [supplement, ...others] = await supplementsIn(gateway, id);
    expect(others).toEqual([]);
    const result = await gateway.get(`/v1/jobs/${job}/result`);
    expect([result.status, await result.json()]).toEqual([200, supplement?.document]);
    expect(supplement?.receipt_id).toBe(waiting["receipt_id"]);
    // Under its own id it is a receipt like any other, of the same key; its bundle is its parent's, and no list has it.
    const own = String(waiting["receipt_id"]);
    expect(await gateway.bundle(own)).toEqual(await gateway.bundle(id));
    expect(await (await gateway.get(`/v1/aci/receipts/${own}`)).json()).toEqual(supplement?.document);
    for (const path of [`/v1/receipts/${own}/bundle`, `/v1/aci/receipts/${own}`, `/v1/jobs/${job}`])
      expect((await gateway.get(path, OTHER_KEY)).status).toBe(404);
    const list = (await (await gateway.get("/v1/receipts")).json()) as { receipts: { id: string }[] };
    expect(list.receipts.map((one) => one.id)).toEqual([id]);
  });

  test("comes after a restart, once, and after the tables were made anew from the log", async () => {
    const store = await database();
    const { gateway, first, release } = await start(store);
    const { id, job } = await ask(gateway);
    await until(() => first.calls.includes("second confirms"), "the job");
    await gateway.restart();
    expect(await judge(gateway, id)).toEqual(["rejected", "LEG_PENDING"]);
    release();
    expect(await ended(gateway, job)).toMatchObject({ state: "answered" });
    expect(first.calls.filter((call) => call === "first answers")).toHaveLength(1);
    const before = await gateway.bundle(id);
    await gateway.ledger.indexed();
    await emptyTables(store.db, ORIGIN);
    const { size } = gateway.log;
    await gateway.restart();
    expect(await gateway.bundle(id)).toEqual(before);
    // Its row came back as it was accepted, and ends at once: the supplement is in the log.
    expect(await ended(gateway, job)).toMatchObject({ state: "answered", completes: id });
    expect(gateway.log.size).toBe(size);
    expect(await judge(gateway, id)).toEqual(["accepted", null]);
  });

  test("is announced again to a repeat under its key, which makes no second job", async () => {
    const { gateway, release, first } = await start(await database());
    const one = await ask(gateway, { "idempotency-key": "k" });
    const two = await ask(gateway, { "idempotency-key": "k" });
    expect([two.id, two.pending, two.response.headers.get("idempotency-replayed")]).toEqual([one.id, one.pending, "true"]);
    release();
    await ended(gateway, one.job);
    expect(first.calls.filter((call) => call === "second confirms")).toHaveLength(1);
    expect(await supplementsIn(gateway, one.id)).toHaveLength(1);
  });

  test.each([
    ["another output", { states: { ...HONEST, outputs: [7] } }, "LEG_OUTPUT_MISMATCH"],
    ["another input", { states: { ...HONEST, inputCommitment: "a5".repeat(32) } }, "LEG_INPUT_MISMATCH"],
  ])(
    "that states %s ends the job with that code and the backend that answered, and never becomes final",
    async (_, script, code) => {
      const { gateway, first, release } = await start(await database(), script);
      const { id, job } = await ask(gateway);
      const { size } = gateway.log;
      release();
      expect(await ended(gateway, job)).toMatchObject({ state: "refused", code, attempts: 1 });
      expect(first.blamed).toEqual([["first:1", null, expect.stringContaining(code)]]);
      expect(gateway.lines).toContainEqual(
        expect.objectContaining({ level: "error", event: "contradicted", receipt_id: id, job_id: job, code }),
      );
      expect(gateway.log.size).toBe(size);
      expect(await judge(gateway, id, { allowPending: true })).toEqual(["accepted", null]);
      expect(await judge(gateway, id, { allowPending: true, now: NOW + 901 })).toEqual(["rejected", "LEG_OVERDUE"]);
      const result = await gateway.get(`/v1/jobs/${job}/result`);
      expect([result.status, ((await result.json()) as Fields)["code"]]).toEqual([502, code]);
    },
  );

  test("is tried again after a failure that may pass, and not after one that does not", async () => {
    let failures = 1;
    const before = () => {
      if (failures-- > 0) throw new TrisealError("OVERLOADED", "full");
    };
    const { gateway, release } = await start(await database(), { before });
    const passing = await ask(gateway);
    release();
    expect(await ended(gateway, passing.job)).toMatchObject({ state: "answered", attempts: 2 });
    failures = 99;
    const failing = await ask(gateway);
    expect(await ended(gateway, failing.job)).toMatchObject({ state: "refused", code: "OVERLOADED", attempts: 3 });
    expect(await judge(gateway, failing.id)).toEqual(["rejected", "LEG_PENDING"]);
  }, 60_000);

  test("can be cancelled while it runs and while it waits, and stays pending then", async () => {
    const { gateway, first, release } = await start(await database());
    const [running, waiting] = [await ask(gateway), await ask(gateway)];
    await until(() => first.calls.includes("second confirms"), "the job");
    for (const { job } of [waiting, running]) {
      const cancelled = await gateway.gateway.fetch(
        new Request(`http://gateway.test/v1/jobs/${job}`, { method: "DELETE", headers: { authorization: `Bearer ${apiKey}` } }),
      );
      expect(cancelled.status).toBe(200);
      expect(await ended(gateway, job)).toMatchObject({ state: "cancelled", code: "JOB_CANCELLED" });
    }
    release();
    for (const { id } of [waiting, running]) expect(await judge(gateway, id)).toEqual(["rejected", "LEG_PENDING"]);
  });

  test("is given up at its deadline, also by a later process", async () => {
    let now = NOW;
    const { gateway } = await start(await database(), {}, { clock: () => now, rules: RULES.replace("15m", "1s") });
    const { id, job } = await ask(gateway);
    expect(await ended(gateway, job)).toMatchObject({ state: "refused", code: "DEADLINE_EXCEEDED" });
    const other = await ask(gateway);
    now = unixSeconds(NOW + 2);
    await gateway.restart();
    expect(await ended(gateway, other.job)).toMatchObject({ state: "refused", code: "DEADLINE_EXCEEDED" });
    expect(await judge(gateway, id, { allowPending: true, now: NOW + 2 })).toEqual(["rejected", "LEG_OVERDUE"]);
  });

  test("is signed by its parent's key, and by nobody where that is gone", async () => {
    const parentKey = testSigner("gateway-1", 21);
    const known: (typeof parentKey | null)[] = [null];
    const { gateway, release } = await start(await database(), {}, { receiptSigner: async () => known[0] ?? null });
    const [revoked, rotated] = [await ask(gateway), await ask(gateway)];
    expect(await ended(gateway, revoked.job)).toMatchObject({ state: "refused", code: "KEY_UNKNOWN" });
    expect(await ended(gateway, rotated.job)).toMatchObject({ state: "refused", code: "KEY_UNKNOWN" });
    known[0] = parentKey;
    const signed = await ask(gateway);
    release();
    expect(await ended(gateway, signed.job)).toMatchObject({ state: "answered" });
    expect(await judge(gateway, signed.id)).toEqual(["accepted", null]);
    expect((await supplementsIn(gateway, signed.id))[0]?.key_id).toBe(parentKey.keyId);
  });

  test("does not come from a backend that shows something else than policy decided on", async () => {
    const { gateway, first, second } = await start(await database(), {}, { jobs: { maxAttempts: 1 } });
    const { id, job } = await ask(gateway);
    await until(() => first.calls.includes("second confirms"), "the job");
    second.script.evidenceType = "other";
    await gateway.restart();
    expect(await ended(gateway, job)).toMatchObject({ state: "refused", code: "PATH_UNAVAILABLE" });
    expect(await judge(gateway, id)).toEqual(["rejected", "LEG_PENDING"]);
  });

  test("is not promised where it could not come: no room, or a request that cannot be confirmed", async () => {
    const { gateway, first } = await start(await database(), {}, { jobs: { maxOpenPerTenant: 1 } });
    await ask(gateway);
    const full = await ask(gateway);
    expect([full.status, full.json["code"], full.pending]).toEqual([503, "OVERLOADED", ""]);
    const answers = first.calls.filter((call) => call === "first answers").length;
    await gateway.gateway.drain();
    const { gateway: roomy } = await start(await database(), { unconfirmable: new TrisealError("REQUEST_BATCH", "one row") });
    const refused = await ask(roomy);
    expect([refused.status, refused.json["code"], refused.pending]).toEqual([400, "REQUEST_BATCH", ""]);
    expect(first.calls.filter((call) => call === "first answers")).toHaveLength(answers);
    for (const one of [full, refused]) expect(one.id).toMatch(/^rcpt-/);
    expect(await judge(roomy, refused.id)).toEqual(["accepted", null]);
  });

  test("comes one by one where two follow, each in its own supplement", async () => {
    const rules = RULES.replace("[first, second]", "[first, second, third]").replace(
      "second: async",
      "second: async, third: async",
    );
    const { gateway, release } = await start(await database(), {}, { rules });
    const response = await ask(gateway);
    const jobs = [...response.pending.matchAll(/job="([^"]+)"/g)].map(([, job = ""]) => job);
    expect(jobs).toHaveLength(2);
    expect(await ended(gateway, jobs[1] ?? "")).toMatchObject({ path: "third", state: "answered" });
    expect(await judge(gateway, response.id)).toEqual(["rejected", "LEG_PENDING"]);
    release();
    await ended(gateway, jobs[0] ?? "");
    expect(
      (await supplementsIn(gateway, response.id)).flatMap((one) => eventsOf(one, "leg.sealed")).map(({ path }) => path),
    ).toEqual(["third", "second"]);
    expect(await judge(gateway, response.id)).toEqual(["accepted", null]);
  });

  test("is no leg that follows where every path may come later: the request waits, until the policy's deadline", async () => {
    const rules = RULES.replace("second: async", "first: async, second: async");
    const { gateway, release } = await start(await database(), {}, { rules });
    const accepted = await ask(gateway);
    expect([accepted.status, accepted.response.headers.get("preference-applied")]).toEqual([202, null]);
    const job = String(accepted.json["id"]);
    expect(accepted.response.headers.get("location")).toBe(`/v1/jobs/${job}`);
    expect(accepted.json).toMatchObject({
      path: "first",
      completes: null,
      deadline_at: new Date((NOW + 900) * 1000).toISOString().replace(".000", ""),
    });
    release();
    expect(await ended(gateway, job)).toMatchObject({ state: "answered" });
    expect(eventsOf(parseBundle(await gateway.bundle(accepted.id)).receipt, "leg.sealed").map(({ status }) => status)).toEqual([
      "final",
      "final",
    ]);
    expect(await judge(gateway, accepted.id)).toEqual(["accepted", null]);
  });
});
