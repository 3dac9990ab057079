/**
 * An auction of three bidders whose result an attested key holder reveals: real engine, gateway, witness and holder, each a process of its
 * own. Skipped where the engine is not built.
 */
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import { type FheClient, type FinishedRun, fheClient } from "../../src/client/index.ts";
import { createNodeClient } from "../../src/client/node/index.ts";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import { isNativeBuilt, nativeFile, needNative } from "../../src/main/fhe/native-program.ts";
import { parseRun, type RunInput, type RunTerms } from "../../src/paths/fhe/wire/run.ts";
import { clock, type Service, startService } from "./gateway-harness.ts";
import { childrenOf, type Program, runCli, startProgram, textOf, until } from "./gateway-process.ts";

const built = isNativeBuilt();
if (!built) console.log("skipped: the FHE engine is not built (`npm run build:engine`)");

vi.setConfig({ testTimeout: 900_000 });

const NAMES = ["bid0", "bid1", "bid2"];
/** Each bid is the value of a list of its own. */
const LISTED = new Map(NAMES.map((name, list) => [name, { list, index: 0 }] as const));

interface HolderFile {
  measured: { decryptsWith: string; programs: object[] };
  program?: string;
}

describe.skipIf(!built)("the result of an auction, revealed by a key holder", () => {
  let service: Service;
  let folder: string;
  let fhe: FheClient;
  let holder: Program;

  const at = (name: string) => join(folder, name);
  const cli = (...args: readonly string[]) => runCli(["fhe", ...args], folder, { TRISEAL_KEY: service.apiKey });
  const ok = async (...args: readonly string[]) => {
    const ended = await cli(...args);
    expect([args[0], ended.code, ended.stderr]).toEqual([args[0], 0, expect.any(String)]);
    return ended.stdout;
  };

  /** The holder's program, which waits as long as a file is there. */
  async function writeHeldProgram(): Promise<void> {
    const script = `#!/bin/sh\nwhile [ -e '${at("hold")}' ]; do /bin/sleep 0.05; done\nexec '${nativeFile()}' "$@"\n`;
    await writeFile(at("program.sh"), script);
    await chmod(at("program.sh"), 0o700);
    const file = parse(await readFile(at("holder.yaml"), "utf8")) as HolderFile;
    file.program = "program.sh";
    file.measured.decryptsWith = digestOf(new Uint8Array(await readFile(at("program.sh"))));
    await writeFile(at("holder.yaml"), stringify(file));
  }

  const startHolder = async (config = "holder.yaml") => {
    holder = await startProgram(["fhe", "key-holder", "--config", at(config), "--dev", "--json"]);
  };
  const holderUrl = () => `http://127.0.0.1:${JSON.stringify(holder.ready["port"])}`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "triseal-reveal-"));
    service = await startService({ witness: true });
    const trust = await service.trust();
    fhe = fheClient(createNodeClient({ baseUrl: service.url, apiKey: service.apiKey, trust, clock }));
    await ok("keygen", "--out", "keys");
    await ok("upload-key", "keys", "--gateway", service.url, "--trust", service.trustFile);
    await writeFile(at("seed"), "5e".repeat(32));
    const places = ["--keys", "keys", "--trust", service.trustFile, "--data", "held", "--seed", "seed", "--out", "holder.yaml"];
    await ok("key-holder-config", ...places, "--reveal", "auction-3x32=winner");
    await writeHeldProgram();
    await startHolder();
    const entry = parse(await ok("key-holder-trust", "--holder", holderUrl(), "--name", "the auction house")) as unknown;
    const file = parse(await readFile(service.trustFile, "utf8")) as { services: { paths: { fhe: { keys: unknown } } }[] };
    for (const { paths } of file.services) paths.fhe.keys = entry;
    await writeFile(at("trust.yaml"), stringify(file));
  }, 600_000);

  afterAll(async () => {
    await holder?.stop();
    await service?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Each bidder's own list, under the auction's challenge. */
  async function proveBids(bids: readonly string[], metadata: Uint8Array, { crs }: RunTerms): Promise<readonly Uint8Array[]> {
    await writeFile(at("crs"), await fhe.blob(crs.digest, crs.bytes));
    const lists: Uint8Array[] = [];
    for (const v of bids) {
      await rm(at("list"), { force: true });
      await needNative().prove(at("keys/public.key"), at("crs"), metadata, [{ t: "u32", v }], at("list"));
      lists.push(new Uint8Array(await readFile(at("list"))));
    }
    return lists;
  }

  const keyId = async () => (JSON.parse(await readFile(at("keys/key.json"), "utf8")) as { keyId: string }).keyId;

  async function runAuction(inputs: ReadonlyMap<string, RunInput>, bids: readonly string[] = []): Promise<FinishedRun> {
    const lists = (metadata: Uint8Array, terms: RunTerms) => proveBids(bids, metadata, terms);
    return fhe.run({ program: "auction-3x32", keyId: await keyId(), wish: { inputs, writes: new Map(), lists } });
  }

  const auction = (bids: readonly string[]) => runAuction(LISTED, bids);

  const copies = () =>
    Promise.all(
      NAMES.map(async (name) => {
        await needNative().encrypt(at("keys/client.key"), { t: "u32", v: "300" }, at(`copy-${name}`));
        return [name, { ciphertext: new Uint8Array(await readFile(at(`copy-${name}`))) }] as const;
      }),
    );

  /** What whoever submitted the auction gives a bidder: no key of any kind. */
  async function handOver(run: FinishedRun, name: string): Promise<readonly string[]> {
    await mkdir(at(name));
    await writeFile(at(`${name}/auction.triseal.json`), run.bundle);
    await writeFile(at(`${name}/run.json`), run.document);
    const [winner] = run.answer.outputs;
    if (winner === undefined) throw new Error("no output");
    await writeFile(at(`${name}/${digestHex(winner.digest)}`), await fhe.blob(winner.digest, 1024 * 1024));
    const shown = ["--document", `${name}/run.json`, "--blobs", name, "--trust", "trust.yaml", "--output", "winner"];
    return [`${name}/auction.triseal.json`, ...shown, "--holder", holderUrl(), "--json"];
  }

  it("is told to a bidder who has no key, verifies offline, and is not told for a run made of the same bids", async () => {
    const first = await auction(["120", "450", "300"]);
    const shown = await handOver(first, "first");
    const told = JSON.parse(await ok("reveal", ...shown, "--out", "winner.json")) as Record<string, unknown>;
    expect(told).toMatchObject({
      ok: true,
      holder: "the auction house",
      statement: { output: "winner", value: "1", sequence: 1 },
    });
    expect(told["basis"]).toBe("assertion");
    const offline = ["verify-reveal", "winner.json", "--trust", "trust.yaml", "--bundle", "first/auction.triseal.json"];
    expect(await ok(...offline)).toMatch(/^value {6}1 \(u2\): winner of receipt rcpt-/m);
    const text = await readFile(at("winner.json"), "utf8");
    await writeFile(at("altered.json"), text.replace('"value":"1"', '"value":"2"'));
    const altered = await cli("verify-reveal", "altered.json", ...offline.slice(2));
    expect([altered.code, altered.stdout]).toEqual([10, expect.stringContaining("FHE_REVEAL_SIGNATURE")]);
    const byWord = await cli("verify-reveal", "winner.json", "--trust", service.trustFile, ...offline.slice(4));
    expect([byWord.code, byWord.stdout]).toEqual([10, expect.stringContaining("FHE_KEY_HOLDER_UNKNOWN")]);

    // The same lists, under a challenge of their own: their proofs are bound to the first one.
    const wish = { inputs: LISTED, writes: new Map(), lists: async () => parseRun(first.document).lists };
    const reused = fhe.run({ program: "auction-3x32", keyId: await keyId(), wish });
    await expect(reused).rejects.toThrow(expect.objectContaining({ code: "FHE_INPUT_REUSED" }));
    // Copies of whatever secrets, as ciphertexts that prove nothing: the gateway runs them, and the holder reveals nothing of it.
    const again = await cli("reveal", ...(await handOver(await runAuction(new Map(await copies())), "again")));
    expect([again.code, JSON.parse(again.stdout)]).toMatchObject([10, { ok: false, code: "FHE_REVEAL_INPUT" }]);
  });

  it("is told once after a kill between record and answer, and to the run that was recorded", async () => {
    const second = await auction(["7", "7", "9"]);
    const shown = await handOver(second, "second");
    await copyFile(at("holder.yaml"), at("hold"));
    const waiting = cli("reveal", ...shown);
    const lines = async () => (await readFile(at("held/reveals"), "utf8")).trim().split("\n");
    await until(async () => (await lines()).length === 2, "second line of the record", 60_000);
    const [child] = childrenOf(holder.pid);
    process.kill(child ?? 0, "SIGKILL");
    expect((await waiting).code).toBe(1);
    await holder.gone;
    await rm(at("hold"));
    await startHolder();
    const next = [...shown.slice(0, -2), holderUrl(), "--json"];
    const told = JSON.parse(await ok("reveal", ...next)) as Record<string, unknown>;
    expect(told).toMatchObject({ ok: true, statement: { value: "2", sequence: 2 } });
    expect(await lines()).toHaveLength(2);
  });

  it("is nobody's to tell in production, where the holder's platform is simulated", async () => {
    const refused = await cli("key-holder", "--config", "holder.yaml", "--json");
    expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([1, { ok: false, code: "CONFIG_INVALID" }]);
  });

  it("is another holder's to whoever accepted this rule, once the rule is changed", async () => {
    await holder.stop();
    const file = parse(await readFile(at("holder.yaml"), "utf8")) as HolderFile;
    const more = { name: "another", digest: digestOf(new Uint8Array()), outputs: ["winner"] };
    file.measured.programs = [...file.measured.programs, more];
    await writeFile(at("wider.yaml"), stringify({ ...file, dataDir: at("elsewhere") }));
    await startHolder("wider.yaml");
    expect(textOf(holder.ready, "configuration")).toMatch(/^sha256:/);
    const shown = ["first/auction.triseal.json", "--document", "first/run.json", "--blobs", "first", "--trust", "trust.yaml"];
    const told = await cli("reveal", ...shown, "--output", "winner", "--holder", holderUrl(), "--json");
    expect([told.code, JSON.parse(told.stdout)]).toMatchObject([10, { ok: false, code: "FHE_KEY_HOLDER_UNKNOWN" }]);
  });
});
