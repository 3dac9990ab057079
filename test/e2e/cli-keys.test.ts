import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { verifyCheckpoint } from "../../src/log/index.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { type Finished, runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let data: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  data = join(folder.path, "data");
});

afterAll(async () => {
  await folder.remove();
});

interface Key {
  readonly purpose: string;
  readonly keyId: string;
  readonly publicKey: string;
  readonly retiredAt: number | null;
  readonly revoked: { readonly because: string } | null;
}

function keys(...args: string[]): Promise<Finished> {
  return runCli(["keys", ...args, "--data", data]);
}

async function listed(): Promise<readonly Key[]> {
  const { code, stdout } = await keys("list", "--json");
  expect(code).toBe(0);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Key);
}

/** The active key of a purpose. */
async function active(purpose: string): Promise<Key> {
  const found = (await listed()).filter((key) => key.purpose === purpose && key.retiredAt === null && key.revoked === null);
  expect(found).toHaveLength(1);
  return found[0] as Key;
}

/** Leaves of the folder's log, by the checkpoint on disk, under one of its keys. */
async function leaves(): Promise<number> {
  const note = await readFile(join(data, "log", "checkpoint"), "utf8");
  const logKeys = (await listed()).filter((key) => key.purpose === "log").map((key) => key.publicKey);
  return verifyCheckpoint(note, "triseal.local/log", logKeys).checkpoint.size;
}

async function expectPrivate(): Promise<void> {
  const names = await readdir(join(data, "keys"));
  for (const name of names) expect([name, (await stat(join(data, "keys", name))).mode & 0o777]).toEqual([name, 0o600]);
  expect((await stat(join(data, "keys"))).mode & 0o777).toBe(0o700);
}

/** One line, code 1, no stack. */
function expectOneLine({ code, stdout, stderr }: Finished, expected: RegExp): void {
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^triseal: [^\n]+\n$/);
  expect(stderr).toMatch(expected);
}

describe("triseal keys", () => {
  it("makes one key for each purpose, in files that nobody else can read, and logs each", async () => {
    const made = await keys("init", "--json");
    expect(made.code).toBe(0);
    const events = made.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; purpose: string });
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(["key.created"]));
    const purposes = events.map(({ purpose }) => purpose).sort();
    expect(purposes).toEqual(["gateway", "log", "policy"]);
    expect((await listed()).map(({ purpose }) => purpose).sort()).toEqual(purposes);
    expect(new Set((await listed()).map(({ publicKey }) => publicKey)).size).toBe(3);
    await expectPrivate();
    expect(await leaves()).toBe(3);
  });

  it("shows no secret", async () => {
    const files = await readdir(join(data, "keys"));
    const shown = (await keys("list")).stdout + (await keys("list", "--json")).stdout;
    for (const name of files) {
      const { seed } = JSON.parse(await readFile(join(data, "keys", name), "utf8")) as { seed: string };
      expect(seed).toMatch(/^[0-9a-f]{64}$/);
      expect(shown).not.toContain(seed);
    }
  });

  it("makes nothing where every purpose has its key", async () => {
    const again = await keys("init");
    expect([again.code, again.stdout]).toEqual([0, "nothing to do: every purpose has an active key\n"]);
    expect(await listed()).toHaveLength(3);
    expect(await leaves()).toBe(3);
  });

  it("rotates each key: a new one is active, the old one is retired and stays, and both are logged", async () => {
    let size = await leaves();
    for (const purpose of ["gateway", "policy", "log"]) {
      const old = await active(purpose);
      expect((await keys("rotate", purpose)).code).toBe(0);
      expect((await active(purpose)).keyId).not.toBe(old.keyId);
      expect((await listed()).find(({ keyId }) => keyId === old.keyId)?.retiredAt).toEqual(expect.any(Number));
      expect(await leaves()).toBe(size + 2);
      size += 2;
    }
    await expectPrivate();
  });

  it("revokes a key with its reason, logs it, and says that only trust files make it count", async () => {
    const { keyId } = await active("gateway");
    const size = await leaves();
    const revoked = await keys("revoke", keyId, "--because", "the disk was lost");
    expect(revoked.code).toBe(0);
    expect(revoked.stdout).toContain("revoked.keys");
    expect((await listed()).find((key) => key.keyId === keyId)?.revoked).toMatchObject({ because: "the disk was lost" });
    expect(await leaves()).toBe(size + 1);
    expect((await keys("list")).stdout).toMatch(new RegExp(`${keyId} .*revoked `));
    expectOneLine(await keys("revoke", keyId, "--because", "again"), /KEY_UNKNOWN/);
    expect((await keys("init")).code).toBe(0);
    expect((await active("gateway")).keyId).not.toBe(keyId);
  });

  it("refuses a purpose or key that does not exist, and changes nothing", async () => {
    const before = await listed();
    const size = await leaves();
    expectOneLine(await keys("rotate", "nonsense"), /KEY_UNKNOWN: purposes are /);
    expectOneLine(await keys("revoke", "nonsense", "--because", "x"), /KEY_UNKNOWN/);
    expectOneLine(await keys("revoke", "../../etc/passwd", "--because", "x"), /KEY_UNKNOWN/);
    expect(await listed()).toEqual(before);
    expect(await leaves()).toBe(size);
  });

  it("refuses a damaged key file by its name", async () => {
    const name = `${(await active("policy")).keyId}.json`;
    const path = join(data, "keys", name);
    const good = await readFile(path);
    const document = JSON.parse(good.toString()) as { publicKey: string };
    for (const bad of [
      "",
      "{",
      JSON.stringify({ ...document, publicKey: "0".repeat(64) }),
      JSON.stringify({ ...document, more: 1 }),
    ]) {
      await writeFile(path, utf8(bad));
      expectOneLine(await keys("list"), new RegExp(`KEY_FILE_INVALID: .*${name}`));
    }
    await writeFile(path, good);
    expect((await keys("list")).code).toBe(0);
  });

  it("makes API keys of which the configuration holds the hash alone", async () => {
    const { code, stdout } = await runCli(["keys", "api", "--tenant", "clinic", "--json"]);
    expect(code).toBe(0);
    const made = JSON.parse(stdout) as { key: string; hash: string; tenant: string };
    expect(made).toEqual({
      key: expect.stringMatching(/^tsk-[0-9a-f]{48}$/),
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      tenant: "clinic",
    });
    const words = await runCli(["keys", "api", "--tenant", "clinic"]);
    expect(words.stdout).toMatch(/- \{ hash: [0-9a-f]{64}, tenant: clinic \}/);
    expect(words.stdout).not.toContain(made.key);
  });
});

describe("development on a production folder", () => {
  it("is refused: it would sign the demo policy with the production key", async () => {
    const data = join(folder.path, "prod-data");
    expect((await runCli(["keys", "init", "--data", data])).code).toBe(0);
    expectOneLine(await runCli(["serve", "--dev", "--data", data, "--port", "0", "--json"]), /KEY_FILE_INVALID.*production key/);
  });
});

describe("production with keys of its own", () => {
  it("refuses development keys without --dev", async () => {
    const dev = join(folder.path, "dev-data");
    expect((await runCli(["keys", "init", "--dev", "--data", dev])).code).toBe(0);
    expect((await runCli(["keys", "list", "--data", dev])).stdout).toMatch(/\(development\)/);
    expectOneLine(await runCli(["serve", "--data", dev, "--port", "0", "--json"]), /CONFIG_INVALID|KEY_FILE_INVALID/);
  });
});
