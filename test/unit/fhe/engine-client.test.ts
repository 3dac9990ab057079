import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { Engine, EngineOptions } from "../../../src/paths/fhe/server/engine.ts";
import { createEngine } from "../../../src/paths/fhe/server/engine-client.ts";
import { encodeFrame, FrameReader, MAX_BODY_BYTES, MAX_MESSAGE_BYTES } from "../../../src/paths/fhe/server/engine-frame.ts";
import { testSigner } from "../../fixtures/signer.ts";

const FAKE = fileURLToPath(new URL("../../fixtures/fake-engine.ts", import.meta.url));
const KEY = "11".repeat(32);
const coded = (code: string) => expect.objectContaining({ code });
const now = (): EngineOptions => ({ signal: AbortSignal.timeout(30_000) });

interface Started {
  readonly engine: Engine;
  /** What was started, and run. */
  diary(): Promise<readonly string[]>;
  readonly news: readonly { readonly event: string }[];
}

async function start(
  fault: string | null,
  more: { readonly memoryBytes?: number; readonly command?: string } = {},
): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-engine-"));
  await writeFile(join(folder, "seed"), `${encodeHex(new Uint8Array(32).fill(9))}\n`);
  const diary = join(folder, "diary");
  const faulty = fault === null ? [] : ["--fault", fault];
  const news: { event: string }[] = [];
  const engine = createEngine(
    {
      command: more.command ?? process.execPath,
      args: ["--import", "tsx", FAKE, "--diary", diary, ...faulty],
      keysDir: folder,
      signingKeyFile: join(folder, "seed"),
      cacheBytes: 1,
      threads: 1,
      memoryBytes: more.memoryBytes ?? 2 ** 30,
    },
    (line) => news.push(line),
  );
  onTestFinished(async () => {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { engine, news, diary: async () => (await readFile(diary, "utf8")).trim().split("\n") };
}

/** One bit turned over. */
const circuit = encodeJcs({
  v: 1,
  kind: "radix",
  inputs: ["bool"],
  nodes: [[[[0, 1]], 0, [[1, 0, ...Array<number>(14).fill(0)]]]],
  outputs: [{ t: "bool", w: [1] }],
});
const bit = (b: number) => utf8(JSON.stringify({ t: "bool", b: [b], key: KEY }));
const run = (engine: Engine, options = now()) =>
  engine.run({ run: "44".repeat(16), keyId: KEY, seed: "55".repeat(32), circuit, inputs: [bit(1)] }, options);

describe("an engine", () => {
  it("starts with its first operation, and says who it is", async () => {
    const { engine } = await start(null);
    expect(engine.identity).toBeNull();
    const { values, pbs } = await run(engine);
    expect([pbs, values]).toEqual([1, [bit(0)]]);
    expect(engine.identity?.publicKey).toBe(testSignerKey());
    expect(await engine.crs(now())).toMatchObject({ bytes: 3 });
  });

  it("gives its own codes, and goes on", async () => {
    const { engine, diary } = await start(null);
    const foreign = utf8(JSON.stringify({ t: "bool", b: [1], key: "22".repeat(32) }));
    const refused = engine.run({ run: "45".repeat(16), keyId: KEY, seed: KEY, circuit, inputs: [foreign] }, now());
    await expect(refused).rejects.toThrow(coded("FHE_INPUT_FOREIGN_KEY"));
    await expect(engine.claim("46".repeat(16), {}, now())).rejects.toThrow(coded("FHE_PROTOCOL"));
    await run(engine);
    expect((await diary()).filter((line) => line === "start")).toHaveLength(1);
  });

  it("that dies fails what it held, and another one answers", async () => {
    const { engine, diary, news } = await start("die-in-run");
    const both = [run(engine), run(engine)];
    for (const held of both) await expect(held).rejects.toThrow(coded("FHE_ENGINE_LOST"));
    expect((await run(engine)).pbs).toBe(1);
    expect((await diary()).filter((line) => line === "start")).toHaveLength(2);
    expect(news).toContainEqual(expect.objectContaining({ event: "engine", state: "ended" }));
  });

  it("that breaks the protocol is ended, and so is one that takes too much memory", async () => {
    const garbled = await start("garbage");
    await expect(run(garbled.engine)).rejects.toThrow(coded("FHE_ENGINE_LOST"));
    expect((await run(garbled.engine)).pbs).toBe(1);
    const greedy = await start("greedy", { memoryBytes: 500 * 2 ** 20 });
    await expect(run(greedy.engine)).rejects.toThrow(coded("FHE_ENGINE_MEMORY"));
    expect((await run(greedy.engine)).pbs).toBe(1);
  });

  it("is told to end what nobody waits for, and is ended itself where it does not", async () => {
    const hanging = await start("hang-in-run");
    await hanging.engine.crs(now());
    await expect(run(hanging.engine, { signal: AbortSignal.timeout(300) })).rejects.toThrow(coded("CLIENT_ABORTED"));
    await hanging.engine.crs(now());
    expect((await hanging.diary()).filter((line) => line === "start")).toHaveLength(1);
    const deaf = await start("deaf");
    await deaf.engine.crs(now());
    await expect(run(deaf.engine, { signal: AbortSignal.timeout(300) })).rejects.toThrow(coded("CLIENT_ABORTED"));
    expect((await run(deaf.engine)).pbs).toBe(1);
    expect((await deaf.diary()).filter((line) => line === "start")).toHaveLength(2);
  }, 30_000);

  it("that cannot be started, or was shut down, is lost", async () => {
    const absent = await start(null, { command: "/nonexistent/engine" });
    await expect(run(absent.engine)).rejects.toThrow(coded("FHE_ENGINE_LOST"));
    const closed = await start(null);
    await closed.engine.crs(now());
    await closed.engine.close();
    await expect(run(closed.engine)).rejects.toThrow(coded("FHE_ENGINE_LOST"));
    await expect(run(closed.engine, { signal: AbortSignal.abort() })).rejects.toThrow();
  });
});

describe("frames", () => {
  const frame = { message: { v: 1, id: 1 }, parts: [utf8("one"), new Uint8Array(), utf8("three")] };
  const joined = Buffer.concat(encodeFrame(frame));

  it("are put together from any pieces", () => {
    for (const size of [1, 7, joined.length, joined.length * 2]) {
      const reader = new FrameReader();
      const found = [];
      const twice = Buffer.concat([joined, joined]);
      for (let at = 0; at < twice.length; at += size) found.push(...reader.push(twice.subarray(at, at + size)));
      expect(found.map(({ parts }) => parts.map((part) => Buffer.from(part).toString()))).toEqual([
        ["one", "", "three"],
        ["one", "", "three"],
      ]);
    }
  });

  it("are refused where lengths are too large, or the message does not describe its body", () => {
    const malformed = coded("FORMAT_INVALID");
    const header = (text: number, body: number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(text, 0);
      bytes.writeUInt32BE(body, 4);
      return bytes;
    };
    expect(() => new FrameReader().push(header(MAX_MESSAGE_BYTES + 1, 0))).toThrow(malformed);
    expect(() => new FrameReader().push(header(2, MAX_BODY_BYTES + 1))).toThrow(malformed);
    for (const text of ["[]", "{", `{"parts":[1]}`, `{"parts":["a"]}`, `{"parts":[-1,3]}`, `{"parts":[2.5]}`, `{"parts":3}`])
      expect(() => new FrameReader().push(Buffer.concat([header(text.length, 2), Buffer.from(text), Buffer.alloc(2)]))).toThrow(
        malformed,
      );
    const parts = [new Uint8Array(MAX_BODY_BYTES), new Uint8Array(1)];
    expect(() => encodeFrame({ message: {}, parts })).toThrow(coded("REQUEST_TOO_LARGE"));
    expect(() => encodeFrame({ message: { long: "x".repeat(MAX_MESSAGE_BYTES) }, parts: [] })).toThrow(
      coded("REQUEST_TOO_LARGE"),
    );
  });
});

function testSignerKey(): string {
  return testSigner("engine", 9).publicKey;
}
