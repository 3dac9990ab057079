import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import { parseTrust, verifyBundle } from "../../src/verify/index.ts";
import {
  bundleOf,
  clock,
  copyFolder,
  digitsBody,
  filesUnder,
  get,
  infer,
  type Service,
  startService,
} from "./gateway-harness.ts";
import { repository, runCli, until } from "./gateway-process.ts";
import { clientOf, losses, startTraffic } from "./traffic.ts";

interface TrustDocument {
  services: {
    gateway: { keys: { publicKey: string }[] };
    logs: { origin: string; publicKey: string }[];
    policySigners: { publicKey: string; minSequence: number }[];
    paths: { tee: { workers: { digest: string }[] } };
    revoked: { keys: { publicKey: string; because: string }[]; measurements: { digest: string; because: string }[] };
  }[];
}

/** A development gateway whose trust file, policy and statement an operator keeps, as in production. */
let service: Service;
let trustFile: string;
let policies: string;
let policyFile: string;

const command = (...args: string[]) => runCli([...args, "--config", service.configFile, "--data", service.dataDir]);

beforeAll(async () => {
  service = await startService();
  await service.program.stop();
  trustFile = join(service.folder, "operator-trust.yaml");
  policies = join(service.folder, "policies");
  policyFile = join(policies, "demo.policy.yaml");
  await writeFile(trustFile, await readFile(service.trustFile));
  await copyFolder(join(repository, "policies"), policies);
  expect((await runCli(["policy", "sign", policyFile, "--data", service.dataDir])).code).toBe(0);
  const config = parse(await readFile(service.configFile, "utf8")) as object;
  const kept = { trust: trustFile, policy: { file: policyFile, statement: `${policyFile}.sig.json` } };
  await writeFile(service.configFile, stringify({ ...config, ...kept }));
  await service.restart();
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

type OperatedService = TrustDocument["services"][number];

/** Changes the one service of the operator's trust file. */
async function editTrust(change: (of: OperatedService) => void): Promise<void> {
  const document = parse(await readFile(trustFile, "utf8")) as TrustDocument;
  const [only] = document.services;
  if (only !== undefined) change(only);
  await writeFile(trustFile, stringify(document));
}

const keyFiles = () => filesUnder(join(service.dataDir, "keys")).map(({ path, bytes }) => [path, bytes.toString()]);

async function refused(args: readonly string[], expected: RegExp): Promise<void> {
  const before = keyFiles();
  const { code, stdout, stderr } = await command(...args);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^triseal: [^\n]+\n$/);
  expect(stderr).toMatch(expected);
  expect(keyFiles()).toEqual(before);
  expect((await infer(service, digitsBody())).status).toBe(200);
}

async function stage(purpose: string): Promise<string> {
  const { code, stdout } = await command("keys", "stage", purpose, "--json");
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { publicKey: string }).publicKey;
}

async function verdict(bundle: Uint8Array) {
  const trust = parseTrust(new Uint8Array(await readFile(trustFile)));
  const options = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
  const { outcome, code } = await verifyBundle(bundle, trust, options);
  return [outcome, code];
}

async function answeredBundle(): Promise<Uint8Array> {
  return await bundleOf(service, (await infer(service, digitsBody())).receiptId);
}

const readiness = () => get(service, "/v2/health/ready", null);

/** Resolves with the reason once the gateway is not ready for one that matches. */
async function notReady(expected: RegExp): Promise<void> {
  await until(async () => {
    const { status, json } = await readiness();
    return status === 503 && expected.test(String(json["reason"]));
  }, `readiness that is off because of ${expected}`);
}

async function ready(): Promise<void> {
  await until(async () => (await readiness()).status === 200, "readiness", 60_000);
}

/** Resolves once the model of the worker answers or no longer answers: the gateway stays ready where another path has a model. */
async function modelReady(expected: boolean): Promise<void> {
  const status = async () => (await get(service, "/v2/models/digits-mlp/ready", null)).status;
  await until(async () => (await status()) === (expected ? 200 : 503), `model that is ${expected ? "" : "not "}ready`, 60_000);
}

/** Each command is a process of its own, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

describe("a rotation that the gateway's own trust file does not know of", () => {
  it("is refused with one line to act on, and changes nothing", async () => {
    await refused(["keys", "rotate", "gateway"], /KEY_NOT_TRUSTED: no gateway key is staged: `triseal keys stage gateway`/);
    const good = await readFile(trustFile, "utf8");
    for (const purpose of ["gateway", "log", "policy"]) {
      const key = await stage(purpose);
      const rotate = ["keys", "rotate", purpose];
      await refused(rotate, new RegExp(`KEY_NOT_TRUSTED: ${trustFile} does not name [^\\n]*${key}`));
      if (purpose !== "gateway") continue;
      await writeFile(trustFile, good.slice(0, good.length / 2));
      await refused(rotate, /TRUST_FILE_INVALID: /);
      await writeFile(trustFile, good.replace("platformKeys", "platformkeys"));
      await refused(rotate, /TRUST_FILE_INVALID: paths\.tee/);
      await rm(trustFile);
      await refused(rotate, /TRUST_FILE_INVALID: cannot read /);
      await writeFile(trustFile, good);
    }
  });

  it("goes through once the file names the staged key, and is refused again where it revokes that", async () => {
    const staged = (await command("keys", "list", "--json")).stdout
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as { purpose: string; publicKey: string; activatedAt?: null }]))
      .filter(({ activatedAt }) => activatedAt === null);
    const keyOf = (purpose: string) => staged.find((key) => key.purpose === purpose)?.publicKey ?? "";
    await editTrust((of) => {
      of.gateway.keys.push({ publicKey: keyOf("gateway") });
      of.logs.push({ origin: of.logs[0]?.origin ?? "", publicKey: keyOf("log") });
      of.policySigners.push({ publicKey: keyOf("policy"), minSequence: 1 });
    });
    const named = await readFile(trustFile, "utf8");
    await editTrust((of) => of.revoked.keys.push({ publicKey: keyOf("gateway"), because: "a test" }));
    await refused(["keys", "rotate", "gateway"], /KEY_NOT_TRUSTED: [^\n]* revokes /);
    await writeFile(trustFile, named);
    const traffic = startTraffic(service, clientOf(service, parseTrust(new Uint8Array(await readFile(trustFile)))));
    const of = { ...service, trust: async () => parseTrust(new Uint8Array(await readFile(trustFile))) };
    for (const purpose of ["gateway", "log", "policy"]) {
      await traffic.more(1);
      expect((await command("keys", "rotate", purpose)).code).toBe(0);
    }
    await traffic.more(2);
    await traffic.stop();
    expect(await losses(of, traffic)).toEqual({ refused: [], unverified: [] });
  });
});

describe("a policy statement", () => {
  it("of the new key with a higher sequence is taken up; the old signer's is refused once that is revoked", async () => {
    const statement = `${policyFile}.sig.json`;
    const old = JSON.parse(await readFile(statement, "utf8")) as { publicKey: string };
    const oldBundle = await answeredBundle();
    expect((await runCli(["policy", "sign", policyFile, "--data", service.dataDir])).code).toBe(0);
    const signed = await readFile(statement, "utf8");
    expect((JSON.parse(signed) as typeof old).publicKey).not.toBe(old.publicKey);
    const newSigner = new RegExp((JSON.parse(signed) as typeof old).publicKey);
    const cites = async () => newSigner.test(atobAll(await answeredBundle()));
    await until(cites, "receipt under the new statement");
    await editTrust((of) => of.revoked.keys.push({ publicKey: old.publicKey, because: "the laptop was lost" }));
    expect((await command("trust", "reload")).code).toBe(0);
    expect(await verdict(oldBundle)).toEqual(["rejected", "KEY_REVOKED"]);
    await writeFile(statement, JSON.stringify(old));
    await notReady(/^policy: the policy signer's key is revoked$/);
    expect(await verdict(await answeredBundle())).toEqual(["accepted", null]);
    await writeFile(statement, signed);
    await ready();
  });

  it("whose signer is revoked while it is in force decides nothing more, until the trust file is mended", async () => {
    const { publicKey } = JSON.parse(await readFile(`${policyFile}.sig.json`, "utf8")) as { publicKey: string };
    const good = await readFile(trustFile, "utf8");
    await editTrust((of) => of.revoked.keys.push({ publicKey, because: "a test" }));
    expect((await command("trust", "reload")).code).toBe(0);
    const { status, json } = await infer(service, digitsBody());
    expect([status, json["code"], json["retryable"]]).toEqual([503, "POLICY_UNAVAILABLE", true]);
    await writeFile(trustFile, good);
    expect((await command("trust", "reload")).code).toBe(0);
    await ready();
    expect(await verdict(await answeredBundle())).toEqual(["accepted", null]);
  });
});

/** All blobs of a bundle as text, so that a key in one of them can be found. */
function atobAll(bundle: Uint8Array): string {
  const { blobs } = JSON.parse(new TextDecoder().decode(bundle)) as { blobs: Record<string, string> };
  return Object.values(blobs)
    .map((blob) => Buffer.from(blob, "base64").toString())
    .join("\n");
}

describe("a worker build that the trust file withdraws", () => {
  it("gets no further request, its older bundles are rejected, and it is admitted again once the file is mended", async () => {
    const bundle = await answeredBundle();
    const good = await readFile(trustFile, "utf8");
    await editTrust((of) => of.revoked.measurements.push({ digest: of.paths.tee.workers[0]?.digest ?? "", because: "a test" }));
    expect((await command("trust", "reload")).code).toBe(0);
    expect(await verdict(bundle)).toEqual(["rejected", "MEASUREMENT_REVOKED"]);
    await modelReady(false);
    const { status, json, headers } = await infer(service, digitsBody());
    expect([status, json["code"], headers.get("retry-after")]).toEqual([503, "PATH_UNAVAILABLE", "1"]);
    await writeFile(trustFile, good);
    expect((await command("trust", "reload")).code).toBe(0);
    await modelReady(true);
    expect(await verdict(await answeredBundle())).toEqual(["accepted", null]);
  });
});

describe("policy files that are edited half-way under traffic", () => {
  afterEach(ready);

  it("leave the last good policy deciding, turn readiness off with the reason, and on again once mended", async () => {
    const of = { ...service, trust: async () => parseTrust(new Uint8Array(await readFile(trustFile))) };
    const traffic = startTraffic(of, clientOf(of, await of.trust()));
    const good = await readFile(policyFile, "utf8");
    const statement = `${policyFile}.sig.json`;
    const signed = await readFile(statement, "utf8");
    const cut = good.slice(0, good.indexOf("forbid:") + 30);
    const spoils: readonly [() => Promise<void>, RegExp][] = [
      [() => writeFile(policyFile, cut), /^policy: /],
      [
        () => writeFile(policyFile, good.replace("low-value", "low-valued").replace("forbid:", "forbid: # changed")),
        /another policy text/,
      ],
      [() => rm(statement), /cannot be read/],
      [() => writeFile(statement, signed.slice(0, 40)), /cannot be read|statement/],
      [() => writeFile(statement, ""), /cannot be read|statement/],
      [() => rename(policies, `${policies}-gone`), /cannot be read/],
    ];
    for (const [spoil, reason] of spoils) {
      await spoil();
      await notReady(reason);
      await traffic.more(1);
      const denied = await infer(service, { ...digitsBody(), parameters: { classification: "secret" } });
      expect([denied.status, denied.json["code"]]).toEqual([403, "POLICY_DENIED"]);
      await rename(`${policies}-gone`, policies).catch(() => undefined);
      await writeFile(policyFile, good);
      await writeFile(statement, signed);
      await ready();
    }
    await traffic.stop();
    expect(await losses(of, traffic)).toEqual({ refused: [], unverified: [] });
  });
});

describe("a start with files that are edited half-way", () => {
  it("is refused in one line with the file's code, and goes through once they are mended", async () => {
    const config = await readFile(service.configFile, "utf8");
    const trust = await readFile(trustFile, "utf8");
    const policy = await readFile(policyFile, "utf8");
    await service.program.stop();
    const spoils: readonly [string, string, RegExp][] = [
      [service.configFile, config.slice(0, config.indexOf("origin") + 3), /^triseal: CONFIG_INVALID: /],
      [trustFile, trust.slice(0, trust.lastIndexOf("publicKey") + 4), /^triseal: TRUST_FILE_INVALID: /],
      [
        trustFile,
        trust.replaceAll(/publicKey: [0-9a-f]{8}/g, "publicKey: 00000000"),
        /^triseal: CONFIG_INVALID: [^\n]* 0 services /,
      ],
      [policyFile, policy.slice(0, policy.lastIndexOf("because") + 4), /^triseal: POLICY_INVALID: /],
    ];
    for (const [file, text, expected] of spoils) {
      const good = await readFile(file, "utf8");
      await writeFile(file, text);
      const { code, stderr } = await command("serve", "--dev", "--port", "0", "--json");
      expect([file, code]).toEqual([file, 1]);
      expect(stderr.split("\n").filter((line) => !line.startsWith("{"))[0]).toMatch(expected);
      await writeFile(file, good);
    }
    await service.restart();
    expect((await infer(service, digitsBody())).status).toBe(200);
  });
});
