import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { verifyCheckpoint } from "../../src/log/index.ts";
import { bundleOf, digitsBody, filesUnder, get, infer, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { childrenOf, isRunning, runCli, textOf, until } from "./gateway-process.ts";
import { clientOf, losses, sealedCall, startTraffic } from "./traffic.ts";

const ORIGIN = "triseal.test/log";
/** Each command is a process of its own, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

let service: Service;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

/** Runs `triseal` on the service's folder; it must succeed. Returns its JSON lines. */
async function operate(...args: string[]): Promise<readonly JsonObject[]> {
  const { code, stdout, stderr } = await runCli([...args, "--config", service.configFile, "--data", service.dataDir, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as JsonObject]));
}

/** Stages a successor, starts traffic under the trust file that names it, rotates, and stops the traffic. */
async function rotateUnderTraffic(purpose: string) {
  const [staged] = await operate("keys", "stage", purpose);
  const before = await infer(service, digitsBody());
  const oldBundle = await bundleOf(service, before.receiptId);
  const traffic = startTraffic(service, clientOf(service, await service.trust()));
  await traffic.more(3);
  const events = await operate("keys", "rotate", purpose);
  await traffic.more(3);
  await traffic.stop();
  expect(events.map(({ type }) => type)).toEqual(["key.activated", "key.retired"]);
  expect(events[0]?.["publicKey"]).toBe(staged?.["publicKey"]);
  expect(await losses(service, traffic)).toEqual({ refused: [], unverified: [] });
  return { traffic, oldBundle, newKey: textOf(events[0], "publicKey"), oldKeyId: textOf(events[1], "keyId") };
}

async function revoke(keyId: string): Promise<void> {
  const [event] = await operate("keys", "revoke", keyId, "--because", "a test");
  expect(event).toMatchObject({ type: "key.revoked", keyId, because: "a test" });
}

async function outcome(bundle: Uint8Array) {
  const { outcome, code } = await verdictOn(service, bundle);
  return [outcome, code];
}

describe("a key that is rotated under traffic", () => {
  it("gateway: no request is refused, both keysets sign, and a revocation reaches the older bundles alone", async () => {
    const { traffic, oldBundle, oldKeyId } = await rotateUnderTraffic("gateway");
    const digests = traffic.clear.map(({ keysetDigest }) => keysetDigest);
    const [first, last] = [digests[0], digests.at(-1)];
    expect(new Set(digests).size).toBe(2);
    // No request after the swap is answered under the old keyset.
    expect(digests.indexOf(last ?? null)).toBe(digests.lastIndexOf(first ?? null) + 1);
    const newBundle = await bundleOf(service, traffic.clear.at(-1)?.receiptId ?? null);
    expect(await outcome(oldBundle)).toEqual(["accepted", null]);
    await revoke(oldKeyId);
    expect(await outcome(oldBundle)).toEqual(["rejected", "KEY_REVOKED"]);
    expect(await outcome(newBundle)).toEqual(["accepted", null]);
    expect((await infer(service, digitsBody())).status).toBe(200);
  });

  it("log: the new key signs from then on, the old one signed the rotation, and a revocation reaches the older bundles alone", async () => {
    const oldKeys = (await service.trust()).services[0]?.logs.map(({ publicKey }) => publicKey) ?? [];
    const { oldBundle, newKey, oldKeyId } = await rotateUnderTraffic("log");
    const checkpoint = (await get(service, "/log/checkpoint", null)).text;
    expect(verifyCheckpoint(checkpoint, ORIGIN, [newKey]).publicKey).toBe(newKey);
    const [handover] = filesUnder(`${service.dataDir}/log/handovers`);
    expect(oldKeys).toContain(verifyCheckpoint(handover?.bytes.toString() ?? "", ORIGIN, oldKeys).publicKey);
    expect(await outcome(oldBundle)).toEqual(["accepted", null]);
    await revoke(oldKeyId);
    expect(await outcome(oldBundle)).toEqual(["rejected", "KEY_REVOKED"]);
    const { receiptId } = await infer(service, digitsBody());
    expect(await outcome(await bundleOf(service, receiptId))).toEqual(["accepted", null]);
  });

  it("log: a rotation that fails at its end leaves the old key signing, and ends where it is asked for again", async () => {
    const [staged] = await operate("keys", "stage", "log");
    const handovers = `${service.dataDir}/log/handovers`;
    await rename(handovers, `${handovers}-aside`);
    await writeFile(handovers, "in the way");
    const args = ["keys", "rotate", "log", "--config", service.configFile, "--data", service.dataDir];
    const { code, stderr } = await runCli(args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^triseal: LOG_UNAVAILABLE: [^\n]*\n$/)]);
    const signer = async (...keys: string[]) => {
      const { receiptId } = await infer(service, digitsBody());
      expect(await outcome(await bundleOf(service, receiptId))).toEqual(["accepted", null]);
      return verifyCheckpoint((await get(service, "/log/checkpoint", null)).text, ORIGIN, keys).publicKey;
    };
    const next = textOf(staged, "publicKey");
    const known = (await service.trust()).services[0]?.logs.map(({ publicKey }) => publicKey) ?? [];
    expect(await signer(...known)).not.toBe(next);
    await rm(handovers);
    await rename(`${handovers}-aside`, handovers);
    expect((await operate("keys", "rotate", "log")).map(({ publicKey }) => publicKey)).toEqual([next, next]);
    expect(await signer(...known)).toBe(next);
  });

  it("policy: a statement of the new key with a higher sequence is taken up, and the old signer is refused once revoked", async () => {
    const { oldBundle, oldKeyId } = await rotateUnderTraffic("policy");
    const statement = JSON.parse(await readFile(`${service.dataDir}/dev/policy.sig.json`, "utf8")) as { keyId: string };
    expect(statement.keyId).not.toBe(oldKeyId);
    await revoke(oldKeyId);
    expect(await outcome(oldBundle)).toEqual(["rejected", "KEY_REVOKED"]);
    const { receiptId } = await infer(service, digitsBody());
    expect(await outcome(await bundleOf(service, receiptId))).toEqual(["accepted", null]);
  });

  it("workers: each is replaced by a process with other keys, and no request is refused", async () => {
    const old = childrenOf(service.program.pid);
    const client = clientOf(service, await service.trust());
    const traffic = startTraffic(service, client);
    await traffic.more(3);
    const [answer] = await operate("workers", "restart");
    await traffic.more(3);
    await traffic.stop();
    expect(await losses(service, traffic)).toEqual({ refused: [], unverified: [] });
    expect(old.filter(isRunning)).toEqual([]);
    expect(answer?.["workers"]).toEqual(childrenOf(service.program.pid));
    // The client's session was with the worker that is gone: it seals anew within the one attempt that it has.
    expect((await client.infer(sealedCall)).verdict.outcome).toBe("accepted");
  });

  it("keeps its keyset over a restart, and the bundles of every key that was not revoked", async () => {
    const { receiptId, headers } = await infer(service, digitsBody());
    const bundle = await bundleOf(service, receiptId);
    expect(await service.program.stop()).toBe(0);
    await service.restart();
    const again = await infer(service, digitsBody());
    expect(again.headers.get("x-aci-keyset-digest")).toBe(headers.get("x-aci-keyset-digest"));
    expect(await outcome(bundle)).toEqual(["accepted", null]);
  });
});

describe("the operator of a running gateway", () => {
  const command = (...args: string[]) => runCli([...args, "--config", service.configFile, "--data", service.dataDir]);
  const activeKey = async (purpose: string) =>
    textOf(
      (await operate("keys", "list")).find(
        (key) => key["purpose"] === purpose && key["retiredAt"] === null && key["revoked"] === null,
      ),
      "keyId",
    );

  it.each(["gateway", "log", "policy"])("cannot revoke the %s key that signs now", async (purpose) => {
    const { code, stdout, stderr } = await command("keys", "revoke", await activeKey(purpose), "--because", "a test");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^triseal: KEY_IN_USE: [^\n]*rotate it first\n$/);
    expect((await infer(service, digitsBody())).status).toBe(200);
  });

  it("cannot revoke a key that is not there, stage twice, or name an unknown purpose", async () => {
    const refusals: readonly [readonly string[], RegExp][] = [
      [["keys", "revoke", "gateway-unknown", "--because", "a test"], /^triseal: KEY_UNKNOWN: [^\n]*\n$/],
      [["keys", "rotate", "everything"], /^triseal: KEY_UNKNOWN: purposes are [^\n]*\n$/],
      [["keys", "stage", "log"], /^triseal: KEY_STAGED: [^\n]*\n$/],
    ];
    expect((await command("keys", "stage", "log")).code).toBe(0);
    for (const [args, expected] of refusals) {
      const { code, stderr } = await command(...args);
      expect([args, code]).toEqual([args, 1]);
      expect(stderr).toMatch(expected);
    }
    expect((await command("keys", "init")).stdout).toMatch(/^nothing to do/);
  });

  it("is alone with the socket, and finds none once the gateway has ended", async () => {
    expect((await stat(`${service.dataDir}/operator`)).mode & 0o777).toBe(0o700);
    expect((await stat(`${service.dataDir}/operator/socket`)).mode & 0o777).toBe(0o600);
    await service.program.stop("SIGKILL");
    await until(async () => {
      const { code, stderr } = await command("workers", "restart");
      return code === 1 && /^triseal: OPERATOR_UNREACHABLE: no gateway serves [^\n]*\n$/.test(stderr);
    }, "refusal");
    // The socket that a killed gateway left stops nobody.
    expect((await command("keys", "rotate", "gateway")).code).toBe(0);
    await service.restart();
    expect((await infer(service, digitsBody())).status).toBe(200);
    expect((await operate("workers", "restart"))[0]?.["workers"]).toEqual(childrenOf(service.program.pid));
  });
});
