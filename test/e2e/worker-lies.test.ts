import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { NOTHING_STATED } from "../../src/paths/path.ts";
import { codes as teeCodes } from "../../src/paths/tee/wire/codes.ts";
import { verifyBundle } from "../../src/verify/index.ts";
import { createEchoPath, type EchoPath } from "../contract/echo-paths.ts";
import { NOW, startGateway, type TestGateway, trustFor } from "../contract/gateway-fixture.ts";
import { createWorkplace, nodeCommand, type RunningPath, startPath, type Workplace } from "./worker-harness.ts";

const DEADLINE_MS = 1500;
const MAX_ANSWER_BYTES = 1024 * 1024;

let place: Workplace;
let folder: string;
let lieFile: string;
let running: RunningPath;

beforeAll(async () => {
  place = await createWorkplace();
  folder = await mkdtemp(join(tmpdir(), "triseal-lies-"));
  lieFile = join(folder, "lie");
  await writeFile(lieFile, "honest");
  running = startPath(place, {
    workers: [liar("worker-a")],
    times: { firstBackoffMs: 20, maxBackoffMs: 40 },
    requestTimeoutMs: DEADLINE_MS,
    maxAnswerBytes: MAX_ANSWER_BYTES,
  });
  await admitted();
});

afterAll(async () => {
  await running.path.close();
  await place.remove();
  await rm(folder, { recursive: true, force: true });
});

function liar(name: string) {
  const command = { ...nodeCommand("test/e2e/worker-liar.ts"), config: place.config({ name }) };
  return { name, claims: {}, ...command, env: { LIE_FILE: lieFile } };
}

async function admitted(): Promise<void> {
  await running.path.admitted(AbortSignal.timeout(60_000));
}

function gatewayOver(path: RunningPath["path"], ...confirming: readonly EchoPath[]): Promise<TestGateway> {
  const model = place.packages.get("root");
  if (model === undefined) throw new Error("no model");
  const all = ["tee", ...confirming.map(({ id }) => id)].join(", ");
  const rules = `  - id: any\n    when: "true"\n    require: { all: [${all}], evidence: { from: [tee], accept: [simulated] } }\n`;
  return startGateway({ paths: [path, ...confirming], models: [{ ...model, platform: "onnx" }], rules, codes: teeCodes });
}

const body = (x: number) => JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1], data: [x] }] });

interface Told {
  readonly status: number;
  readonly json: JsonObject;
  readonly bytes: Uint8Array;
  readonly receiptId: string;
}

async function ask(gateway: TestGateway, x: number): Promise<Told> {
  const response = await gateway.post("/v2/models/root/infer", body(x));
  const bytes = new Uint8Array(await response.arrayBuffer());
  const json = JSON.parse(new TextDecoder().decode(bytes)) as JsonObject;
  return { status: response.status, json, bytes, receiptId: response.headers.get("x-receipt-id") ?? "" };
}

/** Asks once while the worker tells `lie`; before and after it tells the truth. */
async function askLiar(lie: string): Promise<{ told: Told; gateway: TestGateway; pid: number | undefined }> {
  const gateway = await gatewayOver(running.path);
  await admitted();
  expect((await ask(gateway, 16)).json["outputs"]).toMatchObject([{ data: [4] }]);
  const [pid] = running.path.pids();
  await writeFile(lieFile, lie);
  try {
    return { told: await ask(gateway, 9), gateway, pid };
  } finally {
    await writeFile(lieFile, "honest");
  }
}

/** Asserts a coded refusal whose receipt says that the request was forwarded and failed, and says so verifiably. */
async function expectFailed(gateway: TestGateway, told: Told, status: number, code: string): Promise<void> {
  expect([told.status, told.json["code"]]).toEqual([status, code]);
  expect(told.json).not.toHaveProperty("outputs");
  expect(told.json["action"]).toEqual(expect.stringMatching(/^[^\n]{3,200}$/));
  const { event_log: events } = (await (await gateway.get(`/v1/aci/receipts/${told.receiptId}`)).json()) as {
    event_log: JsonObject[];
  };
  const types = events.map((event) => event["type"]);
  expect(types).toEqual(expect.arrayContaining(["request.forwarded", "request.refused"]));
  expect(types).not.toContain("leg.sealed");
  expect(events.find((event) => event["type"] === "upstream.verified")).toMatchObject({ result: "failed", reason: code });
  const options = { now: NOW, at: null, request: null, response: told.bytes, opening: null, allowPending: false };
  const verdict = await verifyBundle(await gateway.bundle(told.receiptId), trustFor({}), options);
  expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
  expect(verdict.claims.map((claim) => claim.about)).not.toContain("answer");
}

/** Asserts that the truth is told again, by a new process or by the same one. */
async function expectRecovered(gateway: TestGateway, pid: number | undefined, replaced: boolean): Promise<void> {
  await admitted();
  const after = await ask(gateway, 25);
  expect([after.status, after.json["outputs"]]).toEqual([200, [expect.objectContaining({ data: [5] })]]);
  expect(running.path.pids()[0] === pid).toBe(!replaced);
}

describe("a worker whose answer does not check", () => {
  const lies = [
    "garbage",
    "nothing",
    "an error under status 200",
    "cut short",
    "cut in the leg",
    "something behind",
    "the answer before",
    "the leg before",
    "the body before",
    "another key under its name",
    "a key of another name",
    "another nonce",
    "another decision",
    "another model",
    "another opened request",
    "another opened response",
    "other facts",
    "another request on the wire",
    "no tensors",
    "no outputs",
    "another shape",
    "another datatype",
    "an extra output",
    "an output twice",
    "fewer elements than its shape",
    "the name of another model",
  ];

  for (const lie of lies) {
    it(`is not believed and is replaced: ${lie}`, async () => {
      const { told, gateway, pid } = await askLiar(lie);
      await expectFailed(gateway, told, 502, "WORKER_ANSWER_INVALID");
      expect(running.notes.some((note) => note.includes("worker replaced"))).toBe(true);
      await expectRecovered(gateway, pid, true);
    });
  }
});

describe("a worker that refuses with what is not its to say", () => {
  for (const lie of [
    "a refusal by policy",
    "a log that is full",
    "a repeat",
    "a caller that left",
    "a status without words",
    "too much",
  ]) {
    it(`is not believed, and a single time is forgiven: ${lie}`, async () => {
      const { told, gateway, pid } = await askLiar(lie);
      await expectFailed(gateway, told, 502, "WORKER_ANSWER_INVALID");
      await expectRecovered(gateway, pid, false);
    });
  }

  it("is replaced when three requests in a row had no answer", async () => {
    const { gateway, pid } = await askLiar("a status without words");
    await writeFile(lieFile, "a status without words");
    for (const _ of [1, 2]) await ask(gateway, 9);
    await writeFile(lieFile, "honest");
    await expectRecovered(gateway, pid, true);
  });
});

describe("a worker that does not come to the end of its answer", () => {
  it("loses the request where the connection is reset, and answers the next", async () => {
    const { told, gateway, pid } = await askLiar("a reset in the middle");
    await expectFailed(gateway, told, 503, "WORKER_LOST");
    await expectRecovered(gateway, pid, false);
  });

  it("loses the request where it dies, and a new one answers the next", async () => {
    const { told, gateway, pid } = await askLiar("death in the middle");
    await expectFailed(gateway, told, 503, "WORKER_LOST");
    await expect.poll(() => running.path.pids()[0], { timeout: 20_000 }).not.toBe(pid);
    await expectRecovered(gateway, pid, true);
  });

  it("is given up at the deadline where it is silent or drips, and kept while it says that it is there", async () => {
    for (const lie of ["silence", "a drip"]) {
      const { told, gateway, pid } = await askLiar(lie);
      await expectFailed(gateway, told, 504, "DEADLINE_EXCEEDED");
      await expectRecovered(gateway, pid, false);
    }
  });

  it("is killed and replaced where it hangs for good", async () => {
    const { told, gateway, pid } = await askLiar("a loop without end");
    await expectFailed(gateway, told, 504, "DEADLINE_EXCEEDED");
    await expect.poll(() => running.path.pids()[0], { timeout: 20_000 }).not.toBe(pid);
    await expectRecovered(gateway, pid, true);
  });
});

describe("a worker whose answer another path contradicts", () => {
  it("has its answer dropped and is replaced by a process with other keys, as one that lied", async () => {
    const second = createEchoPath("second", true, { states: NOTHING_STATED });
    const gateway = await gatewayOver(running.path, second);
    await admitted();
    expect((await ask(gateway, 16)).json["outputs"]).toMatchObject([{ data: [4] }]);
    const [pid] = running.path.pids();
    const noted = running.notes.length;
    second.script.states = { ...NOTHING_STATED, outputs: [5] };
    await expectFailed(gateway, await ask(gateway, 9), 502, "LEG_OUTPUT_MISMATCH");
    expect(running.notes.slice(noted).join("\n")).toMatch(/worker replaced: path `second` contradicts an answer of it/);
    second.script.states = NOTHING_STATED;
    await expectRecovered(gateway, pid, true);
  });

  it("is left alone where the session was another process's", async () => {
    const [pid] = running.path.pids();
    const [session] = running.path.sessions().filter(({ current }) => !current);
    running.path.contradicted("tee:worker-a", session?.id ?? "", "long gone");
    running.path.contradicted("tee:worker-a", null, "no session");
    running.path.contradicted("tee:worker-b", running.path.sessions()[0]?.id ?? "", "another seat");
    await expectRecovered(await gatewayOver(running.path), pid, false);
  });
});

describe("a pool with one worker that hangs", () => {
  it("goes on answering with the other, without a refusal", async () => {
    await writeFile(lieFile, "a loop without end");
    const honest = { name: "worker-b", claims: {}, ...place.command({ name: "worker-b" }) };
    const pool = startPath(place, { workers: [liar("worker-a"), honest], requestTimeoutMs: DEADLINE_MS });
    try {
      await expect.poll(() => pool.path.sessions().length, { timeout: 60_000 }).toBe(2);
      const gateway = await gatewayOver(pool.path);
      const hanging = ask(gateway, 9);
      const model = place.packages.get("root");
      if (model === undefined) throw new Error("no model");
      await expect.poll(() => pool.path.backends(model)[0]?.id, { timeout: 20_000 }).toBe("tee:worker-b");
      // The one that hangs has a request in flight, so that the other is the less busy one.
      for (const x of [1, 4, 16, 36]) expect((await ask(gateway, x)).json["outputs"]).toMatchObject([{ data: [Math.sqrt(x)] }]);
      await expectFailed(gateway, await hanging, 504, "DEADLINE_EXCEEDED");
      await writeFile(lieFile, "honest");
      await expect
        .poll(() => pool.notes.join("\n"), { timeout: 20_000 })
        .toContain("worker replaced: the worker does not answer");
    } finally {
      await writeFile(lieFile, "honest");
      await pool.path.close();
    }
  });
});
