/** `triseal fhe` as a process, with a stand-in for the native program: what it checks itself, and how it ends. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import type { ReplayOutcome } from "../../src/main/fhe/native-program.ts";
import { claimOfBundle } from "../../src/paths/fhe/evidence/receipted-claim.ts";
import type { Claim } from "../../src/paths/fhe/wire/claim.ts";
import { parseBundle } from "../../src/receipt/bundle.ts";
import { buildBundle, requestBody } from "../fixtures/bundle.ts";
import { writeFakeProgram } from "../fixtures/fake-fhe-program.ts";
import { type FheChanges, standIn, trustFhe, withFhe } from "../fixtures/fhe-leg.ts";
import { createWorld, serviceEntry, trustText, type World } from "../fixtures/world.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let world: World;
let claim: Claim;
const at = (...names: string[]) => join(folder.path, ...names);
const fhe = (...args: string[]) => runCli(["fhe", ...args], undefined, { TRISEAL_FHE: at("triseal-fhe") });
const withoutProgram = (...args: string[]) => runCli(["fhe", ...args], undefined, { TRISEAL_FHE: at("nowhere") });

/** Names of the stand-ins that the honest claim is about. */
const BLOBS = [
  "the server key",
  "the payer's state",
  "an empty state",
  "the amount",
  "the compressed paid",
  "the compressed credit",
];

async function bundleOf(name: string, change: FheChanges = {}): Promise<string> {
  const { bundle } = await buildBundle(world, withFhe(change));
  const file = at(name);
  await writeFile(file, bundle);
  return file;
}

/** A replay that gives what is claimed, after a change. */
async function program(change: Partial<ReplayOutcome> = {}, zero = digestOf(standIn("an empty state"))): Promise<void> {
  const inputs = claim.inputs.flatMap((input) => ("clear" in input ? [] : [input.digest]));
  const { seed, circuitDigest } = claim;
  const honest = { seed, circuitDigest, pbs: claim.pbs, inputs, outputs: claim.outputs.map(({ digest }) => digest) };
  await writeFakeProgram(at("triseal-fhe"), { ...honest, ...change }, zero);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  world = await createWorld();
  const entry = serviceEntry(world);
  trustFhe(entry);
  await writeFile(at("trust.yaml"), trustText(entry));
  await mkdir(at("history"));
  const honest = await bundleOf("run.triseal.json");
  const found = claimOfBundle(parseBundle(new Uint8Array(await readFile(honest))));
  if (found === null) throw new Error("the bundle has no claim");
  ({ claim } = found);
  await mkdir(at("blobs"));
  for (const name of BLOBS) await writeFile(at("blobs", digestHex(digestOf(standIn(name)))), standIn(name));
  await program();
}, 120_000);

afterAll(() => folder.remove());

describe("without the native program", () => {
  it("says what is missing, and how it is built", async () => {
    for (const args of [
      ["keygen", "--out", at("none")],
      ["replay", at("run.triseal.json"), "--blobs", at("blobs")],
    ]) {
      const ended = await withoutProgram(...args);
      expect([ended.code, ended.stdout]).toEqual([20, ""]);
      expect(ended.stderr).toMatch(/^triseal: PATH_UNAVAILABLE: [^\n]*`npm run build:engine`[^\n]*\n$/);
    }
  });

  it("a history is walked all the same", async () => {
    expect((await withoutProgram("history", "alice", at("history"), "--trust", at("trust.yaml"))).code).toBe(20);
  });
});

describe("triseal fhe replay", () => {
  const replay = (...more: string[]) => fhe("replay", at("run.triseal.json"), "--blobs", at("blobs"), ...more);

  it("ends with 0 where the bytes are the same, and verifies the bundle where a trust file is named", async () => {
    const bare = await replay();
    expect(bare.code, bare.stderr).toBe(0);
    expect(bare.stdout).toMatch(/^SAME {7}\d+ bootstraps, executed again here, give paid, credit byte for byte\nwho signed/);
    const verified = await replay("--trust", at("trust.yaml"));
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toContain("the run, executed again here, gave these ciphertexts");
    expect(verified.stdout).not.toContain("fhe.re-executed");
    const json = await replay("--trust", at("trust.yaml"), "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, code: null, verdict: { outcome: "accepted" } });
  });

  it("ends with 10 where an output, or the number of bootstraps, is another", async () => {
    const [first, second] = claim.outputs.map(({ digest }) => digest);
    for (const change of [{ outputs: [second, first] }, { outputs: [first] }, { pbs: claim.pbs + 1 }, { circuitDigest: first }]) {
      await program(change as Parameters<typeof program>[0]);
      const ended = await replay();
      expect([ended.code, ended.stdout]).toEqual([10, ""]);
      expect(ended.stderr).toMatch(/^triseal: FHE_REPLAY_MISMATCH: /);
    }
    await program();
  });

  it("ends with 10 where an account that nobody wrote began with anything but zero", async () => {
    await program({}, digestOf(standIn("the zero of another key")));
    const ended = await replay();
    expect([ended.code, ended.stdout]).toEqual([10, ""]);
    expect(ended.stderr).toMatch(/^triseal: FHE_REPLAY_MISMATCH: bob: written by nobody, and 0 of 1 went in as zero\n$/);
    await program();
  });

  it("ends with 10 where the claim is about another circuit, or is not signed so", async () => {
    const other = digestOf(standIn("another circuit"));
    const circuit = await bundleOf("circuit.triseal.json", { claim: (made) => ({ ...made, circuitDigest: other }) });
    const signed = await bundleOf("signed.triseal.json", {
      signed: ({ claim: made, signature }) => ({ claim: { ...made, parameters: "others" }, signature }),
    });
    for (const [file, code] of [
      [circuit, "FHE_CIRCUIT_MISMATCH"],
      [signed, "FHE_CLAIM_INVALID"],
    ] as const) {
      const ended = await fhe("replay", file, "--blobs", at("blobs"));
      expect([ended.code, ended.stderr.split(":")[1]]).toEqual([10, ` ${code}`]);
    }
  });

  it("ends with 20 where a blob is missing, with 10 where it has other bytes, and with 30 for no bundle", async () => {
    const file = at("blobs", digestHex(digestOf(standIn("the amount"))));
    await writeFile(file, "something else");
    expect((await replay()).code).toBe(10);
    await rm(file);
    const missing = await replay();
    expect([missing.code, missing.stderr]).toEqual([20, expect.stringContaining("NOT_FOUND")]);
    await writeFile(file, standIn("the amount"));
    expect((await fhe("replay", at("trust.yaml"), "--blobs", at("blobs"))).code).toBe(30);
  });
});

describe("triseal fhe history", () => {
  const history = (account: string, ...more: string[]) =>
    fhe("history", account, at("history"), "--trust", at("trust.yaml"), ...more);

  it("names what is missing and what is not verified, and ends with 20", async () => {
    await bundleOf("history/one.triseal.json");
    await writeFile(at("history", "zero.triseal.json"), "{}");
    const shown = await history("alice");
    expect(shown.code, shown.stderr).toBe(20);
    expect(shown.stdout).toContain("gap        versions 1 to 4");
    expect(shown.stdout).toContain("unverified zero.triseal.json: malformed BUNDLE_MALFORMED");
    await rm(at("history", "zero.triseal.json"));
  });

  it("ends with 0 for a whole chain", async () => {
    const shown = await history("bob");
    expect(shown.code, shown.stdout + shown.stderr).toBe(0);
    expect(shown.stdout).toMatch(/^account {4}bob, document sha256:[0-9a-f]{64}\n {7}1 {2}handle /);
  });

  it("ends with 10 for a fork, and names both receipts", async () => {
    const more = { nonce: "8".repeat(32), body: requestBody({ id: "the-second-request-0123456789" }) };
    const { bundle } = await buildBundle(world, withFhe({}, more));
    await writeFile(at("history", "two.triseal.json"), bundle);
    const forked = await history("bob");
    expect(forked.code, forked.stdout).toBe(10);
    const [, ...receipts] =
      /^triseal: STATE_FORKED: version 1 of bob: (rcpt-[0-9a-f]+) and (rcpt-[0-9a-f]+)\n$/.exec(forked.stderr) ?? [];
    expect(new Set(receipts).size).toBe(2);
    const json = await history("bob", "--json");
    expect([json.code, JSON.parse(json.stdout)]).toEqual([
      10,
      expect.objectContaining({ ok: false, forks: [expect.anything()] }),
    ]);
  });
});

describe("triseal fhe history of one of several accounts of a name", () => {
  const shown = (...more: string[]) => fhe("history", "bob", at("two"), "--trust", at("trust.yaml"), ...more);

  it("is refused without the tenant, and tells them apart by it", async () => {
    await mkdir(at("two"));
    await bundleOf("two/acme.triseal.json");
    const theirs = withFhe(
      { account: { tenant: "globex" }, asset: { tenant: "globex" } },
      { tenant: "globex", nonce: "7".repeat(32) },
    );
    await writeFile(at("two", "globex.triseal.json"), (await buildBundle(world, { ...theirs, tenant: "globex" })).bundle);
    const both = await shown();
    expect([both.code, both.stderr]).toEqual([20, expect.stringMatching(/NOT_FOUND: several accounts .*acme at .*globex at /)]);
    for (const tenant of ["acme", "globex"]) {
      const one = await shown("--tenant", tenant, "--json");
      expect(one.code, one.stdout + one.stderr).toBe(0);
      expect(JSON.parse(one.stdout)).toMatchObject({ ok: true, tenant, forks: [], broken: [], versions: [{ version: 1 }] });
    }
    expect((await shown("--tenant", "nobody")).code).toBe(20);
    expect((await shown("--tenant", "acme", "--service", "another service")).code).toBe(20);
  });

  it("ends with 10 where a run broke a rule, and names it", async () => {
    await mkdir(at("broken"));
    await bundleOf("broken/gold.triseal.json");
    const ended = await fhe("history", "gold", at("broken"), "--trust", at("trust.yaml"));
    expect([ended.code, ended.stderr]).toEqual([
      10,
      expect.stringContaining("STATE_RULE_BROKEN: version 1 of gold: an asset was"),
    ]);
    const theirs = withFhe({ account: { tenant: "globex" } });
    await writeFile(at("broken", "gold.triseal.json"), (await buildBundle(world, theirs)).bundle);
    const foreign = await fhe("history", "bob", at("broken"), "--trust", at("trust.yaml"), "--json");
    // What is of another tenant is no receipt that verifies, so that it shows no version.
    expect([foreign.code, JSON.parse(foreign.stdout)]).toMatchObject([
      20,
      { unverified: [{ code: "FHE_ACCOUNT_MISMATCH" }], versions: [] },
    ]);
  });
});

describe("triseal fhe keygen, encrypt and decrypt", () => {
  it("make a key set, and use it", async () => {
    const made = await fhe("keygen", "--out", at("keys"));
    expect(made.code, made.stderr).toBe(0);
    expect((await fhe("keygen", "--out", at("keys"))).code).toBe(30);
    await writeFile(at("value"), "41\n");
    const encrypted = await fhe("encrypt", `@${at("value")}`, "--keys", at("keys"), "--type", "u64", "--out", at("ct"));
    expect(encrypted.code, encrypted.stderr).toBe(0);
    const read = await fhe("decrypt", "--keys", at("keys"), "--type", "u64", "--in", at("ct"));
    expect([read.code, read.stdout]).toEqual([0, "41\n"]);
  });

  it("refuse a value that is none, a key set that is none, and another kind", async () => {
    const refused = await fhe("encrypt", "5", "--keys", at("keys"), "--type", "u63", "--out", at("ct"));
    expect([refused.code, refused.stderr]).toEqual([30, expect.stringContaining("FORMAT_INVALID: unknown type")]);
    expect((await fhe("decrypt", "--keys", at("blobs"), "--type", "u64", "--in", at("ct"))).code).toBe(30);
    expect((await fhe("keygen", "--out", at("more"), "--kind", "boolean")).code).toBe(30);
  });
});

describe("a balance statement", () => {
  it("is for the one who asked, of the holder that he names, and about what the receipt wrote", async () => {
    const asked = await fhe("statement-key", "--out", at("mine.json"), "--json");
    const { publicKey: to } = JSON.parse(asked.stdout) as { publicKey: string };
    await fhe("statement-key", "--out", at("theirs.json"));
    const key = JSON.parse(await readFile(at("keys", "key.json"), "utf8")) as object;
    // The stand-in's key set is made the claim's.
    const serverKey = { digest: `sha256:${claim.keyId}`, bytes: 6 };
    await writeFile(at("keys", "key.json"), JSON.stringify({ ...key, keyId: claim.keyId, serverKey }));
    const bundle = ["--bundle", at("run.triseal.json"), "--trust", at("trust.yaml")];
    const state = ["--keys", at("keys"), "--blobs", at("blobs"), "--to", to, "--signing-key", at("seed")];
    const made = await fhe("statement", "bob", ...bundle, ...state, "--out", at("sealed"), "--json");
    expect(made.code, made.stderr).toBe(0);
    const { holder } = JSON.parse(made.stdout) as { holder: string };
    const opened = await fhe("open-statement", at("sealed"), "--own", at("mine.json"), "--holder", holder, ...bundle);
    expect(opened.code, opened.stderr).toBe(0);
    expect(opened.stdout).toMatch(/^value {6}77 \(u64\)\nof {9}version 1 of bob, handle [0-9a-f]{64}\n/);
    const refused = [
      ["--own", at("theirs.json"), "--holder", holder],
      ["--own", at("mine.json"), "--holder", "ab".repeat(32)],
    ];
    for (const args of refused) {
      const ended = await fhe("open-statement", at("sealed"), ...args);
      expect([ended.code, ended.stderr]).toEqual([10, expect.stringContaining("FHE_STATEMENT_INVALID")]);
    }
    expect((await fhe("statement", "nobody", ...bundle, ...state, "--out", at("other"))).code).toBe(20);
    expect((await fhe("statement", "gold", ...bundle, ...state, "--out", at("other"))).code).toBe(20);
  }, 60_000);
});
