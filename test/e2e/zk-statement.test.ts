/** A bank signs a balance, its customer proves a threshold, and policy lets a request pass that cites it: with real processes. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleOf, digitsBody, filesUnder, infer, makeApiKey, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { repository, runCli } from "./gateway-process.ts";

const BANK = "First Bank";
const BALANCE = "7349812650";

let folder: string;
let service: Service;
let other: { readonly key: string };
const at = (name: string) => join(folder, name);

const credential = async (subject: string, more: readonly string[] = []) => {
  const named = ["--issuer", BANK, "--subject", subject, "--unit", "usd", "--balance", BALANCE, "--key", at("bank.seed")];
  const files = ["--out", at(`${subject}.credential.json`), "--opening", at(`${subject}.opening.json`)];
  return runCli(["zk", "credential", ...named, ...files, "--json", ...more]);
};

const state = (threshold: string, { subject = "dev" }: { subject?: string } = {}) => {
  const held = ["--credential", at(`${subject}.credential.json`), "--opening", at(`${subject}.opening.json`)];
  const to = ["--gateway", service.url, "--trust", service.trustFile, "--key", service.apiKey];
  return runCli(["zk", "statement", ...held, "--threshold", threshold, "--out", at("statement.triseal.json"), ...to, "--json"]);
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "triseal-statement-"));
  const issued = await credential("dev");
  expect(issued.code, issued.stderr).toBe(0);
  const { publicKey } = JSON.parse(issued.stdout) as { publicKey: string };
  const key = await makeApiKey("other");
  other = key;
  const zk = { threshold: { signers: [{ name: BANK, publicKey }] } };
  const apiKeys = [{ hash: key.hash, tenant: "other" }];
  service = await startService({
    config: { zk, apiKeys, policy: { file: join(repository, "policies/examples/threshold.policy.yaml") } },
  });
}, 120_000);
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

const ask = (statement?: string, key = service.apiKey) =>
  infer(
    service,
    digitsBody(undefined, {
      parameters: { classification: "internal", value_usd: 60_000, ...(statement === undefined ? {} : { statement }) },
    }),
    { headers: { authorization: `Bearer ${key}` } },
  );

describe("a proven threshold", () => {
  it("lets a request pass that is denied without it, and the balance is nowhere", async () => {
    expect((await ask()).json["code"]).toBe("POLICY_DENIED");
    const stated = await state("1000000");
    expect(stated.code, stated.stderr + stated.stdout).toBe(0);
    const { receiptId } = JSON.parse(stated.stdout) as { receiptId: string };
    const own = await runCli(["verify", at("statement.triseal.json"), "--trust", service.trustFile]);
    expect(own.code, own.stdout).toBe(0);
    expect(own.stdout).toContain("a balance of at least 1000000 usd, says First Bank");
    const answered = await ask(receiptId);
    expect(answered.status, answered.text).toBe(200);
    const bundle = await bundleOf(service, answered.receiptId);
    expect((await verdictOn(service, bundle)).outcome).toBe("accepted");
    writeFileSync(at("answer.triseal.json"), bundle);
    const cli = await runCli(["verify", at("answer.triseal.json"), "--trust", service.trustFile, "--json"]);
    expect(cli.code, cli.stdout).toBe(0);
    expect(cli.stdout).toContain('"zk.circuit-recompiled","status":"pass"');
    const held = filesUnder(service.dataDir)
      .map(({ bytes }) => bytes.toString("latin1"))
      .join("\n");
    expect([held.includes(receiptId), held.includes(BALANCE)]).toEqual([true, false]);
    expect([
      Buffer.from(bundle).includes(BALANCE),
      (await readFile(at("statement.triseal.json"), "utf8")).includes(BALANCE),
    ]).toEqual([false, false]);
    // Another tenant gains nothing by it.
    expect((await ask(receiptId, other.key)).json["code"]).toBe("STATEMENT_UNKNOWN");
  }, 240_000);

  it("is not enough where policy asks for more than was proven", async () => {
    const { stdout } = await state("999999");
    const { receiptId } = JSON.parse(stdout) as { receiptId: string };
    const denied = await ask(receiptId);
    expect([denied.status, denied.json["code"]]).toEqual([403, "POLICY_DENIED"]);
    expect((await verdictOn(service, await bundleOf(service, denied.receiptId))).outcome).toBe("accepted");
  }, 60_000);

  it("cannot be made of a smaller balance, of another tenant's credential, or of an unknown signer's", async () => {
    const tooMuch = await state("7349812651");
    expect([tooMuch.code, (JSON.parse(tooMuch.stdout) as { code: string }).code]).toEqual([30, "INPUT_OUT_OF_RANGE"]);
    expect((await credential("other")).code).toBe(0);
    const foreign = await state("1", { subject: "other" });
    expect((JSON.parse(foreign.stdout) as { code: string }).code).toBe("ZK_CREDENTIAL_SUBJECT");
    expect((await credential("dev", ["--key", at("stranger.seed")])).code).toBe(0);
    const unknown = await state("1");
    expect((JSON.parse(unknown.stdout) as { code: string }).code).toBe("ZK_SIGNER_UNKNOWN");
  }, 60_000);
});
