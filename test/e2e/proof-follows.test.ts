/** A real gateway, a real worker and a real prover: a proof beside the answer, behind it, and in its place. */
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { TrisealClient } from "../../src/client/index.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import { eventOf, eventsOf, parseBundle } from "../../src/receipt/index.ts";
import { type Answer, bundleOf, clock, get, heldBack, infer, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { childrenOf, isRunning, runCli, until } from "./gateway-process.ts";
import { loggedReceipts } from "./logged-receipt.ts";

const MODEL = "breast-cancer-logistic-int";
/** Commands are processes of their own, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

const rule = (kind: string, all: string, more = "") =>
  `  - id: ${kind}\n    when: has(request.kind) && request.kind == "${kind}"\n    require: { all: ${all}, evidence: { from: [${all.includes("tee") ? "tee" : ""}], accept: [simulated] } }\n${more}`;
const POLICY = `apiVersion: triseal.dev/v1
defaults: { effect: deny }
rules:
${rule("both", "[tee, zk]")}${rule("follows", "[tee, zk]", "    mode: { zk: async, deadline: 10m }\n")}${rule("hurried", "[tee, zk]", "    mode: { zk: async, deadline: 2s }\n")}${rule("waits", "[zk]", "    mode: { zk: async, deadline: 90s }\n")}`;

let service: Service;
let input: readonly number[];
let policyFile: string;

beforeAll(async () => {
  policyFile = join(await import("node:os").then(({ tmpdir }) => tmpdir()), `triseal-policy-${process.pid}.yaml`);
  await writeFile(policyFile, POLICY);
  service = await startService({ witness: true, config: { zk: { models: [MODEL] }, policy: { file: policyFile } } });
  input = (await heldBack("breast-cancer-logistic", 6)).input;
}, 120_000);

afterAll(async () => {
  await rm(policyFile, { force: true });
  await service?.close();
});

/** Process ids of the gateway's provers. */
function provers(): readonly number[] {
  const isProver = (pid: number) => /snarkjs|triseal-prover/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  return childrenOf(service.program.pid).filter(isProver);
}

/** Runs `work` while no prover gets on. */
async function whileProversStand<T>(work: () => Promise<T>): Promise<T> {
  // Whoever was stopped while it held a job was ended with it: the next proof starts another.
  if (provers().length === 0) expect((await ask(body("both"))).status).toBe(200);
  const stopped = provers();
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  try {
    return await work();
  } finally {
    for (const pid of stopped.filter(isRunning)) process.kill(pid, "SIGCONT");
  }
}

function body(kind: string, parameters: object = {}): Uint8Array {
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const inputs = [{ name: "features", datatype: "FP32", shape: [1, 30], data: input }];
  return Buffer.from(JSON.stringify({ id, parameters: { kind, ...parameters }, inputs }));
}

const ask = (request: Uint8Array) => infer(service, request, { model: MODEL });
const jobIn = (answer: Answer) => /job="([^"]+)"/.exec(answer.headers.get("x-triseal-pending") ?? "")?.[1] ?? "";

async function ended(job: string): Promise<Answer["json"]> {
  return until(
    async () => {
      const { json } = await get(service, `/v1/jobs/${job}`);
      return typeof json["finished_at"] === "string" ? json : null;
    },
    `end of ${job}`,
    60_000,
  );
}

/** What `triseal verify` says of a receipt's bundle now: its exit code and output. */
async function audited(receiptId: string | null, ...flags: string[]) {
  const file = join(service.folder, `${receiptId}.triseal.json`);
  await writeFile(file, await bundleOf(service, receiptId));
  const { code, stdout } = await runCli(["verify", file, "--trust", service.trustFile, ...flags]);
  return { code, stdout };
}

const outcome = async (receiptId: string | null) => {
  const { outcome: of, code } = await verdictOn(service, await bundleOf(service, receiptId));
  return [of, code];
};

/** How many supplements of a receipt are in the log. */
function supplementsLogged(parentId: string | null): number {
  return loggedReceipts(service.dataDir).filter((one) => one.parentId === parentId).length;
}

async function client(retry = {}) {
  return new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust: await service.trust(), clock, retry });
}

const callOf = (kind: string) => ({
  model: MODEL,
  inputs: [{ name: "features", datatype: "FP32", shape: [1, 30], data: input }],
  parameters: { kind },
  seal: false,
});

describe("a proof beside the answer", () => {
  it("is there before it leaves, under the same receipt, about the same exchange", async () => {
    const request = body("both");
    const answer = await ask(request);
    expect([answer.status, answer.headers.get("x-triseal-pending")]).toEqual([200, null]);
    const bundle = await bundleOf(service, answer.receiptId);
    const { receipt, supplements } = parseBundle(bundle);
    expect([supplements.length, eventsOf(receipt, "leg.sealed").map(({ path, status }) => `${path} ${status}`)]).toEqual([
      0,
      ["tee final", "zk final"],
    ]);
    const verdict = await verdictOn(service, bundle, { request, response: answer.bytes });
    expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
    const verified = await (await client()).infer(callOf("both"));
    expect([verified.commitment?.opened, verified.pending]).toEqual([true, []]);
  });

  it("is refused to what the caller sealed, before anything is forwarded", async () => {
    const sealed = { ...callOf("both"), seal: true };
    const failed: unknown = await (await client({ maxAttempts: 1 })).infer(sealed).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "PATH_UNAVAILABLE" });
    const receiptId = isTrisealError(failed) ? String(failed.details["receiptId"]) : "";
    const { receipt } = parseBundle(await bundleOf(service, receiptId));
    expect(eventOf(receipt, "request.forwarded")).toBeNull();
    expect(await outcome(receiptId)).toEqual(["accepted", null]);
  });

  it.each([
    ["outputs that are only committed to", { triseal_outputs: "committed" }, 422, "ZK_OUTPUTS_STATED"],
    ["a salt that is none", { triseal_salt: "00" }, 400, "REQUEST_MALFORMED"],
  ])("is refused for %s, before the worker answers", async (_, parameters, status, code) => {
    for (const kind of ["both", "follows"]) {
      const refused = await ask(body(kind, parameters));
      expect([refused.status, refused.json["code"], refused.headers.get("x-triseal-pending")]).toEqual([status, code, null]);
      const { receipt } = parseBundle(await bundleOf(service, refused.receiptId));
      expect(eventOf(receipt, "request.forwarded")).toBeNull();
    }
  });
});

describe("a proof behind the answer", () => {
  it("is pending at first, for an auditor too, and completes the bundle when it is there", async () => {
    const request = body("follows");
    const answer = await whileProversStand(async () => {
      const given = await ask(request);
      expect([given.status, jobIn(given)]).toEqual([200, expect.stringMatching(/^job-/)]);
      expect(await audited(given.receiptId)).toMatchObject({ code: 10, stdout: expect.stringContaining("LEG_PENDING") });
      const allowed = await audited(given.receiptId, "--allow-pending");
      expect([allowed.code, allowed.stdout]).toEqual([0, expect.stringMatching(/the zk leg is pending until \d{4}-/)]);
      return given;
    });
    expect(await ended(jobIn(answer))).toMatchObject({ state: "answered", path: "zk", completes: answer.receiptId });
    const complete = await audited(answer.receiptId);
    expect([complete.code, complete.stdout.includes("pending")]).toEqual([0, false]);
    const verdict = await verdictOn(service, await bundleOf(service, answer.receiptId), { request, response: answer.bytes });
    expect(verdict.claims.map(({ text }) => text).join("\n")).toContain("proven for a committed input and stated outputs");
  });

  it("is held back by the SDK until it is there and opens to the exchange, or handed over as pending", async () => {
    const early = await whileProversStand(async () => (await client()).infer({ ...callOf("follows"), allowPending: true }));
    expect(early.pending).toEqual([{ path: "zk", deadline: expect.any(Number) as number }]);
    expect(early.verdict.claims.map(({ text }) => text).join("\n")).toContain("the zk leg is pending until");
    const whole = await early.completed();
    expect([whole.pending, whole.receiptId, whole.commitment?.opened]).toEqual([[], early.receiptId, true]);
    expect(whole.response).toEqual(early.response);
    expect(await whole.completed()).toBe(whole);
    const held = await (await client()).infer(callOf("follows"));
    expect([held.pending, held.commitment?.opened, parseBundle(held.bundle).supplements.length]).toEqual([[], true, 1]);
  });

  it("makes the SDK say why where it does not come", async () => {
    await whileProversStand(async () => {
      const early = await (await client()).infer({ ...callOf("follows"), allowPending: true });
      const [job] = (await until(async () => {
        const lines = service.program.logged().filter(({ event, receipt_id: id }) => event === "infer" && id === early.receiptId);
        return (lines[0]?.["pending"] as string[] | undefined) ?? null;
      }, "the job")) as [string];
      const stopped = await fetch(`${service.url}/v1/jobs/${job}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${service.apiKey}` },
      });
      expect(stopped.status).toBe(200);
      await expect(early.completed()).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    });
    await whileProversStand(async () => {
      const hurried = await (await client()).infer(callOf("hurried")).catch((error: unknown) => error);
      expect(hurried).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    });
  });

  it("that never came is overdue from its deadline on, whatever an auditor allows", async () => {
    const answer = await whileProversStand(async () => {
      const given = await ask(body("hurried"));
      expect(await ended(jobIn(given))).toMatchObject({ state: "refused", code: "DEADLINE_EXCEEDED" });
      return given;
    });
    await until(async () => (await audited(answer.receiptId, "--allow-pending")).stdout.includes("LEG_OVERDUE"), "LEG_OVERDUE");
    expect((await audited(answer.receiptId, "--allow-pending")).code).toBe(10);
  });

  it("is signed by the key that signed its parent, across a rotation and a restart", async () => {
    const answer = await whileProversStand(async () => {
      const given = await ask(body("follows"));
      const keys = ["keys", "rotate", "gateway", "--config", service.configFile, "--data", service.dataDir];
      expect((await runCli(keys)).code).toBe(0);
      await service.program.stop("SIGKILL");
      return given;
    });
    await service.restart();
    await ended(jobIn(answer));
    const { receipt, supplements } = parseBundle(await bundleOf(service, answer.receiptId));
    expect(supplements.map(({ key_id: key }) => key)).toEqual([receipt.key_id]);
    const next = parseBundle(await bundleOf(service, (await ask(body("both"))).receiptId));
    expect(next.receipt.key_id).not.toBe(receipt.key_id);
    expect(await outcome(answer.receiptId)).toEqual(["accepted", null]);
  });

  it("survives a gateway that is killed while it is made, and a database that is made anew", async () => {
    const answer = await whileProversStand(async () => {
      const given = await ask(body("follows"));
      await until(async () => (await get(service, `/v1/jobs/${jobIn(given)}`)).json["stage"] === "proving", "proving");
      await service.program.stop("SIGKILL");
      return given;
    });
    const rebuild = await runCli(["store", "rebuild", "--config", service.configFile, "--data", service.dataDir]);
    expect(rebuild.code).toBe(0);
    await service.restart();
    expect(await ended(jobIn(answer))).toMatchObject({ state: "answered", completes: answer.receiptId });
    expect(await outcome(answer.receiptId)).toEqual(["accepted", null]);
    await service.program.stop();
    expect(supplementsLogged(answer.receiptId)).toBe(1);
    expect((await runCli(["store", "rebuild", "--config", service.configFile, "--data", service.dataDir])).code).toBe(0);
    await service.restart();
    expect(await outcome(answer.receiptId)).toEqual(["accepted", null]);
    expect(await ended(jobIn(answer))).toMatchObject({ state: "answered" });
    expect(supplementsLogged(answer.receiptId)).toBe(1);
  });
});

describe("a proof in the place of an answer", () => {
  it("is a job by policy, with the policy's deadline, and its receipt is whole", async () => {
    const before = clock();
    const accepted = await ask(body("waits"));
    expect([accepted.status, accepted.headers.get("preference-applied")]).toEqual([202, null]);
    const due = Date.parse(String(accepted.json["deadline_at"])) / 1000;
    expect([due >= before + 90, due <= clock() + 90]).toEqual([true, true]);
    const job = String(accepted.json["id"]);
    expect(await ended(job)).toMatchObject({ state: "answered", completes: null });
    const result = await get(service, `/v1/jobs/${job}/result`);
    expect([result.status, result.receiptId]).toEqual([200, accepted.receiptId]);
    expect(await outcome(accepted.receiptId)).toEqual(["accepted", null]);
  });

  it("is waited for by the SDK", async () => {
    const { commitment, pending, verdict } = await (await client()).infer(callOf("waits"));
    expect([commitment?.opened, pending, verdict.outcome]).toEqual([true, [], "accepted"]);
  });
});
