import { constants } from "node:fs";
import { access, open, readFile, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TrisealClient } from "../../src/client/index.ts";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { bundleOf, clock, digitsBody, filesUnder, get, infer, type Service, startService } from "./gateway-harness.ts";
import { childrenOf } from "./gateway-process.ts";
import { spellings } from "./planted.ts";

let service: Service;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

/** Where `marker` occurs: files of the data folder, and the gateway's log. */
function occurrences(marker: string): readonly string[] {
  const wanted = spellings(marker);
  const files = filesUnder(service.folder).filter(({ bytes }) => wanted.some((spelling) => bytes.includes(spelling)));
  const logged = wanted.some((spelling) => Buffer.from(service.program.stderr()).includes(spelling));
  return [...files.map(({ path }) => path), ...(logged ? ["standard error"] : [])];
}

/** Whether `marker` is in the memory of a process, as far as it is writable. */
async function inMemory(pid: number, marker: string): Promise<boolean> {
  const maps = (await readFile(`/proc/${pid}/maps`, "utf8")).trim().split("\n");
  const memory = await open(`/proc/${pid}/mem`, "r");
  try {
    for (const line of maps) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === "") continue;
      const start = Number.parseInt(from, 16);
      const bytes = Buffer.alloc(Math.min(Number.parseInt(to, 16) - start, 2 ** 28));
      const { bytesRead } = await memory.read(bytes, 0, bytes.length, start).catch(() => ({ bytesRead: 0 }));
      const seen = bytes.subarray(0, bytesRead);
      if (seen.includes(marker) || seen.includes(Buffer.from(marker, "utf16le"))) return true;
    }
    return false;
  } finally {
    await memory.close();
  }
}

const tensor = (first: number) => ({
  name: "pixels",
  datatype: "FP32",
  shape: [1, 64],
  data: [first, ...Array<number>(63).fill(1)],
});

describe("a request that the SDK sealed", () => {
  it("is answered and verified, and its plaintext lies in no file and no log line of the gateway", async () => {
    const marker = "7.319264058173";
    const client = new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust: await service.trust(), clock });
    const parameters = { classification: "personal" };
    const { response, receiptId, verdict, bundle } = await client.infer({
      model: "digits-mlp",
      inputs: [tensor(Number(marker))],
      parameters,
    });
    expect(response.outputs[0]?.shape).toEqual([1, 10]);
    expect(verdict.outcome).toBe("accepted");
    expect(occurrences(marker)).toEqual([]);
    // The id of the opened body, and the answer, are the caller's alone, too.
    expect(occurrences(response.id ?? "no id")).toEqual([]);
    const score = String(response.outputs[0]?.data.find((value) => String(value).length > 12));
    expect(occurrences(score)).toEqual([]);
    const leg = eventOf(parseBundle(bundle).receipt, "leg.sealed");
    expect(leg?.sealed_by).toBe("caller");
    expect(leg).not.toHaveProperty("digest");
    const stored = await get(service, `/v1/receipts/${receiptId}/response`);
    expect(stored.headers.get("content-type")).toBe("application/vnd.triseal.sealed");
    for (const spelling of spellings(score)) expect(Buffer.from(stored.bytes).includes(spelling)).toBe(false);
  });

  it("never stood in the memory of the gateway's process, while ones sent in the clear did", async ({ skip }) => {
    const readable = await access(`/proc/${service.program.pid}/mem`, constants.R_OK).then(
      () => true,
      () => false,
    );
    skip(!readable, "this machine does not let one process read another's memory");
    const client = new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust: await service.trust(), clock });
    await client.infer({ model: "digits-mlp", inputs: [tensor(5.928471639402)] });
    expect(await inMemory(service.program.pid, "5.928471639402")).toBe(false);
    // The canary: the same search finds what did pass through. Any one of them may already be overwritten.
    const clear = ["6.481920375516", "6.481920375527", "6.481920375538", "6.481920375549"];
    for (const marker of clear) await infer(service, digitsBody(tensor(Number(marker)).data));
    const found = await Promise.all(clear.map((marker) => inMemory(service.program.pid, marker)));
    expect(found).toContain(true);
  });
});

describe("a request in the clear", () => {
  it("is stored only encrypted, and so is its answer, under a key file that nobody else can read", async () => {
    const marker = "8.206471935528";
    const answer = await infer(service, digitsBody(tensor(Number(marker)).data));
    const [output] = answer.json["outputs"] as { data: number[] }[];
    const score = String(output?.data.find((value) => String(value).length > 12));
    expect(occurrences(marker)).toEqual([]);
    expect(occurrences(score)).toEqual([]);
    expect((await get(service, `/v1/receipts/${answer.receiptId}/response`)).text).toContain(score);
    const keys = filesUnder(service.dataDir).filter(
      ({ path }) => /\/(?:keys|vault|dev)\//.test(path) && !path.endsWith(".sig.json"),
    );
    expect(keys.length).toBeGreaterThanOrEqual(5);
    for (const { path } of keys) expect([path, (await stat(path)).mode & 0o077]).toEqual([path, 0]);
  });

  it("leaves a bundle without a byte of request or answer", async () => {
    const marker = "9.640281735519";
    const answer = await infer(service, digitsBody(tensor(Number(marker)).data));
    const bundle = Buffer.from(await bundleOf(service, answer.receiptId));
    for (const spelling of spellings(marker)) expect(bundle.includes(spelling)).toBe(false);
    const [output] = answer.json["outputs"] as { data: number[] }[];
    for (const spelling of spellings(String(output?.data.find((value) => String(value).length > 12))))
      expect(bundle.includes(spelling)).toBe(false);
  });

  it("is refused without a word of it in answer or log", async () => {
    const secret = "Zaphod-4711";
    const bodies = [
      `{"inputs":"${secret}"`,
      JSON.stringify({ inputs: [{ ...tensor(1), data: [secret] }] }),
      JSON.stringify(digitsBody(undefined, { parameters: { classification: secret } })),
    ];
    for (const body of bodies) {
      const answer = await infer(service, body);
      expect(answer.status).not.toBe(200);
      expect(answer.text).not.toContain(secret);
    }
    expect(service.program.stderr()).not.toContain(secret);
  });
});

describe("the API key", () => {
  it("is in no log line and in no file but its own", () => {
    const secret = service.apiKey.replace(/^dev-/, "");
    expect(occurrences(secret)).toEqual([expect.stringMatching(/\/dev\/api-key$/)]);
  });
});

describe("the gateway's process", () => {
  it("hands nothing to its worker through arguments or environment but what it needs", async () => {
    const [worker] = childrenOf(service.program.pid);
    const environment = (await readFile(`/proc/${worker}/environ`, "utf8")).split("\0").filter((entry) => entry !== "");
    expect(environment.map((entry) => entry.split("=")[0])).toEqual(["PATH"]);
    expect(await readFile(`/proc/${worker}/cmdline`, "utf8")).not.toContain(service.dataDir);
  });
});
