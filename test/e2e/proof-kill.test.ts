/** A gateway that is killed around the one append that completes a receipt: the proof is made, and its supplement is lost or not, never doubled. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { verifyLog } from "../../src/main/verify-log.ts";
import { parseTrust, verifyBundle } from "../../src/verify/index.ts";
import { freePort, type Place, type RunningChild, startChild } from "../campaign/killed-gateway.ts";
import type { KillPoint } from "../campaign/killing-files.ts";
import { clock, copyFolder, heldBack } from "./gateway-harness.ts";
import { repository, until } from "./gateway-process.ts";
import { loggedReceipts } from "./logged-receipt.ts";

const MODEL = "breast-cancer-logistic";
/** Each case starts three gateways, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

const POLICY = `apiVersion: triseal.dev/v1
defaults: { effect: deny }
rules:
  - id: follows
    when: "true"
    require: { all: [tee, zk], evidence: { from: [tee], accept: [simulated] } }
    mode: { zk: async, deadline: 10m }
`;

let place: Place;
let input: readonly number[];

beforeEach(async () => {
  ({ input } = await heldBack(MODEL, 6));
  const folder = await mkdtemp(join(tmpdir(), "triseal-proof-kill-"));
  await copyFolder(join(repository, "models", MODEL), join(folder, "models", MODEL));
  const configFile = join(folder, "triseal.config.yaml");
  await writeFile(join(folder, "policy.yaml"), POLICY);
  const config = {
    log: { origin: "triseal.test/proof-kill" },
    modelsDir: join(folder, "models"),
    workers: { jurisdiction: "EU", concurrency: 1 },
    zk: { models: [`${MODEL}-int`] },
    policy: { file: join(folder, "policy.yaml") },
  };
  await writeFile(configFile, stringify(config));
  place = { folder, dataDir: join(folder, "data"), configFile, port: await freePort() };
});

afterEach(() => rm(place.folder, { recursive: true, force: true }));

/** Starts a gateway that dies at the ordered passage, once it answers. */
async function start(point: KillPoint, passage: number): Promise<RunningChild> {
  const child = startChild(place, { point, passage });
  if (!(await child.ready)) throw new Error(`the gateway did not start: ${await child.ended}`);
  return child;
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const key = `dev-${(await readFile(join(place.dataDir, "dev", "api-key"), "utf8")).trim()}`;
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return fetch(`http://127.0.0.1:${place.port}${path}`, { ...init, headers });
}

/** Asks once. The receipt's id, and the job that brings its proof. */
async function ask(): Promise<{ readonly receiptId: string; readonly job: string }> {
  const inputs = [{ name: "features", datatype: "FP32", shape: [1, 30], data: input }];
  const body = JSON.stringify({ id: "5a".repeat(16), inputs });
  const answer = await call(`/v2/models/${MODEL}-int/infer`, { method: "POST", body });
  expect(answer.status).toBe(200);
  const job = /job="([^"]+)"/.exec(answer.headers.get("x-triseal-pending") ?? "")?.[1] ?? "";
  return { receiptId: answer.headers.get("x-receipt-id") ?? "", job };
}

/** How often a receipt stands in the log, and how many supplements of it do. */
function logged(receiptId: string): readonly [number, number] {
  const all = loggedReceipts(place.dataDir);
  return [all.filter(({ id }) => id === receiptId).length, all.filter(({ parentId }) => parentId === receiptId).length];
}

async function verdictOn(receiptId: string) {
  const trust = parseTrust(new Uint8Array(await readFile(join(place.dataDir, "trust.yaml"))));
  const bundle = new Uint8Array(await (await call(`/v1/receipts/${receiptId}/bundle`)).arrayBuffer());
  const shown = { request: null, response: null, opening: null, allowPending: false };
  return verifyBundle(bundle, trust, { now: clock(), at: null, ...shown });
}

describe("a gateway that is killed around the append of a supplement", () => {
  // The first passage after the start is the receipt's leaf, the second one the supplement's.
  it.each<[KillPoint, string, boolean]>([
    ["before-append", "the proof is made, and nothing of its supplement is written", false],
    ["half-append", "half of it is written", false],
    ["before-sync", "it is written and not synced", true],
    ["before-response", "it is durable, and nobody knows", true],
  ])("at %s, where %s: the next one has it in the log once, and the bundle is whole", async (point, _, isWhole) => {
    const dying = await start(point, 2);
    const { receiptId, job } = await ask();
    expect(await dying.ended).toBe("SIGKILL");
    expect(logged(receiptId)).toEqual([1, isWhole ? 1 : 0]);
    const next = await start("half-response", Number.MAX_SAFE_INTEGER);
    try {
      const end = await until(
        async () => {
          const document = (await (await call(`/v1/jobs/${job}`)).json()) as { state: string; finished_at: string | null };
          return document.finished_at === null ? null : document;
        },
        "the end of the job",
        90_000,
      );
      expect(end).toMatchObject({ state: "answered", completes: receiptId });
      expect(await verdictOn(receiptId)).toMatchObject({ outcome: "accepted", code: null });
    } finally {
      next.stop();
      await next.ended;
    }
    const trust = parseTrust(new Uint8Array(await readFile(join(place.dataDir, "trust.yaml"))));
    const audit = await verifyLog({ dataDir: place.dataDir, logs: trust.services.flatMap(({ logs }) => logs), from: null });
    expect([audit.forgotten, audit.unfinishedBytes]).toEqual([0, 0]);
    expect(logged(receiptId)).toEqual([1, 1]);
  });
});
