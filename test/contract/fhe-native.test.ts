/**
 * Native keys and node-tfhe: what one writes the other reads, and a value that the caller encrypted comes back from the engine
 * as the caller's library reads it. Needs the native program; without it the suite says so and is skipped.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openNodeCipher } from "../../src/client/node/index.ts";
import { digestHex } from "../../src/core/digest.ts";
import { readKeyFolder } from "../../src/main/fhe/key-folder.ts";
import { isNativeBuilt, nativeFile, needNative } from "../../src/main/fhe/native-program.ts";
import type { FheCipher } from "../../src/paths/fhe/client/tfhe-cipher.ts";
import { compileProgram } from "../../src/paths/fhe/compile/compile.ts";
import type { Engine } from "../../src/paths/fhe/server/engine.ts";
import { createEngine } from "../../src/paths/fhe/server/engine-client.ts";
import { checkProgram } from "../../src/paths/fhe/wire/program.ts";
import { temporaryFolder } from "../e2e/gateway-harness.ts";

const built = isNativeBuilt();
if (!built) console.log("skipped: the native program of the fhe path is not built (`npm run build:engine`)");

const MOST = "18446744073709551615";

describe.skipIf(!built)("a native key set", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let cipher: FheCipher;
  let engine: Engine | null = null;
  const at = (...names: string[]) => join(folder.path, ...names);
  const options = { signal: new AbortController().signal };

  beforeAll(async () => {
    folder = await temporaryFolder();
    await needNative().keygen(at("keys"), "integer");
    cipher = openNodeCipher(new Uint8Array(await readFile(at("keys", "client.key"))));
  }, 300_000);

  afterAll(async () => {
    await engine?.close();
    await folder.remove();
  });

  it.each([
    ["u64", MOST],
    ["u8", "200"],
    ["i16", "-5"],
    ["bool", "true"],
  ])("is read by node-tfhe, which encrypts a %s that the native program decrypts, and the other way round", async (t, v) => {
    const { clientKey } = await readKeyFolder(at("keys"));
    await writeFile(at("ours"), cipher.encrypt(t, v));
    expect(await needNative().decrypt(clientKey, t, at("ours"))).toBe(v);
    await needNative().encrypt(clientKey, { t, v }, at(`theirs-${t}`));
    expect(cipher.decrypt(t, new Uint8Array(await readFile(at(`theirs-${t}`))))).toBe(v);
  });

  it("computes in the engine on what node-tfhe encrypted, and node-tfhe reads the answer", { timeout: 300_000 }, async () => {
    const { key, serverKey, publicKey } = await readKeyFolder(at("keys"));
    await mkdir(at("engine"));
    await rename(serverKey, at("engine", key.keyId));
    const publicName = key.publicKey === null ? null : digestHex(key.publicKey.digest);
    if (publicKey !== null && publicName !== null) await rename(publicKey, at("engine", publicName));
    await writeFile(at("signing.key"), `${"5a".repeat(32)}\n`, { mode: 0o600 });
    const sizes = { cacheBytes: 2 ** 30, threads: 2, memoryBytes: 8 * 2 ** 30 };
    const program = { command: nativeFile(), args: [], keysDir: at("engine"), signingKeyFile: at("signing.key"), ...sizes };
    engine = createEngine(program, () => undefined);
    const { keyId } = key;
    await engine.checkKey({ keyId, publicKey: publicName }, options);
    const value = await engine.import(cipher.encrypt("u64", "37"), { keyId, type: "u64" }, options);
    const sum = checkProgram({ v: 1, in: [{ n: "a", t: "u64" }], ops: [["b", "add", "a", "5"]], out: ["b"] });
    const circuit = compileProgram(sum).circuit(new Map());
    const run = { run: "6b".repeat(16), keyId, seed: "7c".repeat(32), circuit: circuit.bytes, inputs: [value] };
    const made = await engine.run(run, options);
    expect(made.pbs).toBe(circuit.price.pbs);
    const [answer = new Uint8Array()] = made.values;
    expect(cipher.decrypt("u64", await engine.expand(answer, { keyId, type: "u64" }, options))).toBe("42");
  });
});
