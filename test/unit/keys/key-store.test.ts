import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { verifyEd25519 } from "../../../src/core/ed25519.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { KEY_PURPOSES, KeyStore } from "../../../src/keys/key-store.ts";

const NOW = unixSeconds(1_790_000_000);
const code = (name: string, message = "") => expect.objectContaining({ code: name, message: expect.stringContaining(message) });

async function newStore(options: { readonly dev?: boolean; readonly empty?: boolean } = {}) {
  const base = await mkdtemp(join(tmpdir(), "triseal-keys-"));
  onTestFinished(() => rm(base, { recursive: true, force: true }));
  const directory = join(base, "keys");
  const store = new KeyStore(directory);
  const events = options.empty === true ? [] : await store.init({ dev: options.dev ?? false, now: NOW });
  const files = async () => (await readdir(directory)).filter((name) => name.endsWith(".json"));
  const pathOf = async (purpose: string) => join(directory, (await files()).find((name) => name.includes(purpose)) ?? "");
  return { directory, store, events, files, pathOf };
}

describe("a key store", () => {
  it("makes one key for every purpose, in files that their owner alone can read", async () => {
    const { directory, store, events, files } = await newStore();
    expect(events.map(({ type, purpose, at }) => [type, purpose, at])).toEqual(
      KEY_PURPOSES.map((purpose) => ["key.created", purpose, NOW]),
    );
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await files()) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    expect((await readdir(directory)).length).toBe(3);
    expect(await store.init({ dev: false, now: NOW })).toEqual([]);
  });

  it("signs with the key of the purpose, and describes keys without their secrets", async () => {
    const { store, pathOf } = await newStore();
    const signers = await Promise.all(KEY_PURPOSES.map((purpose) => store.signer(purpose, "production")));
    expect(new Set(signers.map(({ publicKey }) => publicKey)).size).toBe(3);
    for (const signer of signers) expect(verifyEd25519(signer.publicKey, utf8("m"), signer.sign(utf8("m")))).toBe(true);
    const { seed } = JSON.parse(await readFile(await pathOf("log"), "utf8")) as { seed: string };
    expect(JSON.stringify(await store.list())).not.toContain(seed);
    expect(Object.keys((await store.list())[0] ?? {})).not.toContain("seed");
  });

  it.each([0o644, 0o640, 0o604, 0o660, 0o601])("refuses a key file of mode %o", async (mode) => {
    const { store, pathOf } = await newStore();
    await chmod(await pathOf("gateway"), mode);
    for (const purpose of KEY_PURPOSES) {
      await expect(store.signer(purpose, "production")).rejects.toEqual(code("KEY_FILE_INVALID", "chmod 600"));
    }
    await expect(store.list()).rejects.toEqual(code("KEY_FILE_INVALID"));
  });

  it.each<[string, (key: Record<string, unknown>) => object | string]>([
    ["another seed", (key) => ({ ...key, seed: "00".repeat(32) })],
    ["another public key", (key) => ({ ...key, publicKey: "00".repeat(32) })],
    ["a short seed", (key) => ({ ...key, seed: "00" })],
    ["an unknown member", (key) => ({ ...key, more: 1 })],
    ["another version", (key) => ({ ...key, v: 2 })],
    ["another algorithm", (key) => ({ ...key, algo: "rsa" })],
    ["another purpose", (key) => ({ ...key, purpose: "everything" })],
    ["a key id that is a path", (key) => ({ ...key, keyId: "../key" })],
    ["no word about development", (key) => Object.fromEntries(Object.entries(key).filter(([name]) => name !== "dev"))],
    ["no JSON", () => "{"],
    ["a seed given twice", (key) => JSON.stringify(key).replace("{", `{"seed":"${"00".repeat(32)}",`)],
    ["nothing", () => ""],
  ])("refuses a key file with %s, and shows no secret", async (_, change) => {
    const { store, pathOf } = await newStore();
    const path = await pathOf("policy");
    const key = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    const changed = change(key);
    await writeFile(path, typeof changed === "string" ? changed : JSON.stringify(changed));
    const error: unknown = await store.signer("policy", "production").catch((reason: unknown) => reason);
    expect(error).toEqual(code("KEY_FILE_INVALID"));
    expect(String(error)).not.toContain(String(key["seed"]));
  });

  it("refuses a development key where none is allowed", async () => {
    const { store, events } = await newStore({ dev: true });
    expect(events.every(({ keyId }) => keyId.startsWith("dev-"))).toBe(true);
    for (const purpose of KEY_PURPOSES) {
      await expect(store.signer(purpose, "production")).rejects.toEqual(code("KEY_FILE_INVALID", "development key"));
      expect((await store.signer(purpose, "dev")).keyId).toMatch(/^dev-/);
      expect((await store.signer(purpose, "any")).keyId).toMatch(/^dev-/);
    }
    const [created] = (await store.prepareRotation("log", NOW)).events;
    expect(created?.keyId).toMatch(/^dev-/);
  });

  it("has nothing to sign with before it has keys", async () => {
    const { store } = await newStore({ empty: true });
    expect(await store.list()).toEqual([]);
    await expect(store.signer("log", "any")).rejects.toEqual(code("KEY_UNKNOWN"));
    await expect(store.prepareRotation("log", NOW)).rejects.toEqual(code("KEY_UNKNOWN"));
    await expect(store.prepareRevocation("log-1", "lost", NOW)).rejects.toEqual(code("KEY_UNKNOWN"));
  });

  it("rotates: the old key stays on file and signs no more", async () => {
    const { store } = await newStore();
    const old = await store.signer("gateway", "production");
    const later = unixSeconds(NOW + 10);
    const { events, activate } = await store.prepareRotation("gateway", later);
    expect((await store.signer("gateway", "production")).publicKey).toBe(old.publicKey);
    await activate();
    const now = await store.signer("gateway", "production");
    expect(now.publicKey).not.toBe(old.publicKey);
    expect(events).toEqual([
      { v: 1, type: "key.created", purpose: "gateway", keyId: now.keyId, publicKey: now.publicKey, at: later },
      { v: 1, type: "key.retired", purpose: "gateway", keyId: old.keyId, publicKey: old.publicKey, at: later },
    ]);
    const keys = await store.list();
    expect(keys.find(({ keyId }) => keyId === old.keyId)?.retiredAt).toBe(later);
    for (const purpose of KEY_PURPOSES) {
      expect(keys.filter((key) => key.purpose === purpose && key.retiredAt === null && key.revoked === null)).toHaveLength(1);
    }
  });

  it("revokes: the key stays on file with the reason, and a new one can be made", async () => {
    const { store } = await newStore();
    const old = await store.signer("policy", "production");
    const { events, revoke } = await store.prepareRevocation(old.keyId, "lost laptop", NOW);
    expect((await store.signer("policy", "production")).publicKey).toBe(old.publicKey);
    await revoke();
    expect(events).toEqual([
      {
        v: 1,
        type: "key.revoked",
        purpose: "policy",
        keyId: old.keyId,
        publicKey: old.publicKey,
        at: NOW,
        because: "lost laptop",
      },
    ]);
    await expect(store.signer("policy", "production")).rejects.toEqual(code("KEY_UNKNOWN"));
    await expect(store.prepareRevocation(old.keyId, "again", NOW)).rejects.toEqual(code("KEY_UNKNOWN", "revoked already"));
    await expect(store.prepareRevocation("policy-unknown", "x", NOW)).rejects.toEqual(code("KEY_UNKNOWN"));
    const [created] = await store.init({ dev: false, now: NOW });
    expect(created?.purpose).toBe("policy");
    expect((await store.list()).find(({ keyId }) => keyId === old.keyId)?.revoked).toEqual({ at: NOW, because: "lost laptop" });
  });

  it.each(["", "two\nlines", "x".repeat(501)])("refuses a reason that its own files could not hold: `%s`", async (because) => {
    const { store } = await newStore();
    const { keyId } = await store.signer("log", "production");
    await expect(store.prepareRevocation(keyId, because, NOW)).rejects.toEqual(
      expect.objectContaining({ code: "FORMAT_INVALID" }),
    );
    expect((await store.signer("log", "production")).keyId).toBe(keyId);
  });

  it("stages a successor that signs nothing before it is activated", async () => {
    const { store } = await newStore();
    const old = await store.signer("log", "production");
    const [staged, ...more] = await store.stage("log", NOW);
    expect([staged?.type, more]).toEqual(["key.staged", []]);
    expect(await store.staged("log")).toBe(staged?.publicKey);
    expect((await store.signer("log", "production")).publicKey).toBe(old.publicKey);
    expect(await store.init({ dev: false, now: NOW })).toEqual([]);
    await expect(store.stage("log", NOW)).rejects.toEqual(code("KEY_STAGED", staged?.publicKey));
    const { events, activate } = await store.prepareRotation("log", unixSeconds(NOW + 5));
    await activate();
    expect(events.map(({ type, keyId }) => [type, keyId])).toEqual([
      ["key.activated", staged?.keyId],
      ["key.retired", old.keyId],
    ]);
    expect((await store.signer("log", "production")).publicKey).toBe(staged?.publicKey);
    expect(await store.staged("log")).toBe(null);
  });

  it("signs with the key that was activated last, also where a crash left the one before it active", async () => {
    const { store, directory } = await newStore();
    const old = await store.signer("gateway", "production");
    await store.stage("gateway", NOW);
    const before = await readFile(join(directory, `${old.keyId}.json`));
    const { signer, activate } = await store.prepareRotation("gateway", unixSeconds(NOW + 5));
    await activate();
    await writeFile(join(directory, `${old.keyId}.json`), before);
    expect((await store.signer("gateway", "production")).publicKey).toBe(signer.publicKey);
  });

  it("stages nothing without a key to succeed, and a revoked successor waits no more", async () => {
    const empty = await newStore({ empty: true });
    await expect(empty.store.stage("gateway", NOW)).rejects.toEqual(code("KEY_UNKNOWN"));
    const { store } = await newStore();
    const [staged] = await store.stage("policy", NOW);
    await (await store.prepareRevocation(staged?.keyId ?? "", "never used", NOW)).revoke();
    expect(await store.staged("policy")).toBe(null);
    expect((await store.stage("policy", NOW))[0]?.keyId).not.toBe(staged?.keyId);
  });

  it("signs by a key's id for what was begun under it: after a rotation, too, and under no revoked, waiting or other key", async () => {
    const { store } = await newStore();
    const old = await store.signer("gateway", "production");
    const [staged] = await store.stage("gateway", NOW);
    const byId = async (keyId: string) => (await store.signerById("gateway", keyId))?.publicKey ?? null;
    expect(await byId(old.keyId)).toBe(old.publicKey);
    expect(await byId(staged?.keyId ?? "")).toBe(null);
    await (await store.prepareRotation("gateway", unixSeconds(NOW + 5))).activate();
    expect([await byId(old.keyId), await byId(staged?.keyId ?? "")]).toEqual([old.publicKey, staged?.publicKey]);
    expect([await byId("gateway-unknown"), await byId((await store.signer("log", "production")).keyId)]).toEqual([null, null]);
    await (await store.prepareRevocation(old.keyId, "lost", NOW)).revoke();
    expect(await byId(old.keyId)).toBe(null);
  });

  it("tells the whole history of its keys, each event as it was when it happened", async () => {
    const { store, events } = await newStore();
    const staged = await store.stage("gateway", unixSeconds(NOW + 1));
    const rotation = await store.prepareRotation("gateway", unixSeconds(NOW + 2));
    await rotation.activate();
    const revocation = await store.prepareRevocation(rotation.events[1]?.keyId ?? "", "lost", unixSeconds(NOW + 3));
    await revocation.revoke();
    const happened = [...events, ...staged, ...rotation.events, ...revocation.events];
    const sorted = (list: readonly object[]) => list.map((event) => JSON.stringify(event, Object.keys(event).sort())).sort();
    expect(sorted(await store.history())).toEqual(sorted(happened));
  });
});
