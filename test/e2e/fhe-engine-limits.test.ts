/** Limits of the real engine: memory, the cache of keys, and work that nobody waits for any more. Skipped where it is not built. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { encodeHex } from "../../src/core/bytes.ts";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { isNativeBuilt, nativeFile } from "../../src/main/fhe/native-program.ts";
import type { Engine, EngineOptions } from "../../src/paths/fhe/server/engine.ts";
import { createEngine } from "../../src/paths/fhe/server/engine-client.ts";
import { residentMiB } from "./gateway-process.ts";

const built = isNativeBuilt();
if (!built) console.log("skipped: the FHE engine is not built (`npm run build:engine`)");

const KEYS = ["one", "two", "three"] as const;
/** What a key takes in the engine's memory, by its own count. */
const KEY_MIB = 320;
const native = async (...args: readonly string[]) => void (await promisify(execFile)(nativeFile(), [...args]));
const coded = (code: string) => expect.objectContaining({ code });
const now = (signal = AbortSignal.timeout(120_000)): EngineOptions => ({ signal });

let folder: string;
const keyIds: string[] = [];

beforeAll(async () => {
  if (!built) return;
  folder = await mkdtemp(join(tmpdir(), "triseal-limits-"));
  await mkdir(join(folder, "keys"));
  await writeFile(join(folder, "seed"), `${encodeHex(new Uint8Array(32).fill(9))}\n`);
  for (const name of KEYS) {
    await native("keygen", "--out", join(folder, name));
    await native(
      "encrypt",
      "--key",
      join(folder, name, "client.key"),
      "--type",
      "bool",
      "--value",
      "true",
      "--out",
      join(folder, `${name}.bool`),
    );
    const server = await readFile(join(folder, name, "server.key"));
    const keyId = digestHex(digestOf(server));
    await writeFile(join(folder, "keys", keyId), server);
    keyIds.push(keyId);
  }
}, 300_000);

afterAll(async () => {
  if (built) await rm(folder, { recursive: true, force: true });
});

interface Started {
  readonly engine: Engine;
  /** Process ids, in the order of their start. */
  readonly pids: readonly number[];
}

function start(more: { readonly memoryMiB?: number; readonly addressMiB?: number; readonly cacheMiB?: number }): Started {
  const limited = ["-c", `exec "$0" "$@" --memory-mib ${more.addressMiB ?? 1}`, nativeFile()];
  const pids: number[] = [];
  const engine = createEngine(
    {
      ...(more.addressMiB === undefined ? { command: nativeFile(), args: [] } : { command: "/bin/sh", args: limited }),
      keysDir: join(folder, "keys"),
      signingKeyFile: join(folder, "seed"),
      cacheBytes: (more.cacheMiB ?? 1024) * 2 ** 20,
      threads: 2,
      memoryBytes: (more.memoryMiB ?? 4096) * 2 ** 20,
    },
    ({ state, pid }) => state === "ready" && pids.push(Number(pid)),
  );
  onTestFinished(() => engine.close());
  return { engine, pids };
}

const keyOf = (place: number) => ({ keyId: keyIds[place] ?? "", publicKey: null });
const unknown = { keyId: "00".repeat(32), publicKey: null };

/** `length` lookups one after the other. */
function chain(length: number): Uint8Array {
  const table = [1, 0, ...Array<number>(14).fill(0)];
  const nodes = Array.from({ length }, (_, at) => [[[at, 1]], 0, [table]]);
  return encodeJcs({ v: 1, kind: "radix", inputs: ["bool"], nodes, outputs: [{ t: "bool", w: [length] }] });
}

let runs = 0;

/** A run of a chain on `true` under one of the keys. */
async function run(engine: Engine, place: number, length: number, options = now()) {
  const { keyId } = keyOf(place);
  const value = new Uint8Array(await readFile(join(folder, `${KEYS[place]}.bool`)));
  const input = await engine.import(value, { keyId, type: "bool" }, now());
  const id = (++runs).toString(16).padStart(32, "0");
  return engine.run({ run: id, keyId, seed: "00".repeat(32), circuit: chain(length), inputs: [input] }, options);
}

describe.skipIf(!built)("the engine's memory", () => {
  it("ends it with a code where it is more than the supervisor gives, and another engine answers", async () => {
    const { engine, pids } = start({ memoryMiB: 150 });
    await expect(engine.checkKey(keyOf(0), now())).rejects.toThrow(coded("FHE_ENGINE_MEMORY"));
    await expect(engine.checkKey(unknown, now())).rejects.toThrow(coded("FHE_KEY_UNKNOWN"));
    await expect(engine.checkKey(keyOf(1), now())).rejects.toThrow(coded("FHE_ENGINE_MEMORY"));
    expect(new Set(pids).size).toBe(pids.length);
    expect(pids.length).toBeGreaterThanOrEqual(2);
  }, 120_000);

  it("has a code where the system gives no more, and an engine answers afterwards", async () => {
    const { engine } = start({ addressMiB: 400 });
    const refused = await engine.checkKey(keyOf(0), now()).then(
      () => "accepted",
      (error: { code: string }) => error.code,
    );
    // A file that it has no room for is refused by itself; what else it has no room for ends it.
    expect(["FHE_ENGINE_LOST", "FHE_ENGINE_MEMORY"]).toContain(refused);
    await expect(engine.checkKey(unknown, now())).rejects.toThrow(coded("FHE_KEY_UNKNOWN"));
  }, 120_000);

  it("holds no more keys than its cache has room for, and results are the same whether a key was dropped or not", async () => {
    const roomy = start({ cacheMiB: 2048 });
    const expected = [];
    for (const place of [0, 1, 2]) expected.push((await run(roomy.engine, place, 2)).outputs);
    await roomy.engine.close();
    // Room for one key: three quarters of the cache are for keys.
    const { engine, pids } = start({ cacheMiB: Math.ceil((KEY_MIB * 4) / 3) + 40 });
    await run(engine, 0, 2);
    const one = residentMiB(pids[0] ?? 0);
    for (const place of [1, 2, 0, 2, 1, 0]) {
      // An input is re-randomised by the seed, and compressed from what it was imported to: the same bytes each time.
      expect((await run(engine, place, 2)).outputs).toEqual(expected[place]);
      // The one that is dropped and the one that is expanded stand side by side for a moment; three would not fit.
      expect(residentMiB(pids[0] ?? 0)).toBeLessThan(one + 1.7 * KEY_MIB);
    }
    expect(pids).toHaveLength(1);
  }, 240_000);
});

describe.skipIf(!built)("work of the engine that nobody waits for any more", () => {
  it("ends between two lookups, with the reason of who gave it up, and the same engine goes on", async () => {
    const { engine, pids } = start({});
    const good = await run(engine, 0, 3);
    for (const reason of ["gone", "late"]) {
      const controller = new AbortController();
      let seen = 0;
      const progress = (done: number) => {
        seen = done;
        controller.abort(new Error(reason));
      };
      // Minutes of lookups: the first news of it ends it.
      const long = run(engine, 0, 20_000, { signal: controller.signal, progress });
      await expect(long).rejects.toThrow(coded("CLIENT_ABORTED"));
      expect(seen).toBeGreaterThan(0);
      expect(seen).toBeLessThan(20_000);
    }
    expect((await run(engine, 0, 3)).outputs).toEqual(good.outputs);
    expect(pids).toHaveLength(1);
  }, 240_000);
});
