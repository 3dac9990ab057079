/** A gateway whose worker quotes a TPM in software, as processes: admitted, sealed to by the SDK, its bundle judged offline. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { parseTrust } from "../../src/verify/index.ts";
import { hasSwtpm, type Swtpm, startSwtpm } from "../fixtures/attester/swtpm.ts";
import { get, type Service, startService, temporaryFolder } from "./gateway-harness.ts";
import { repository, runCli, until } from "./gateway-process.ts";
import { clientOf, sealedCall } from "./traffic.ts";

interface Entry {
  type: string;
  measurements: { registers: Record<string, string> }[];
  enrollers: { publicKey: string }[];
  because?: string;
}

interface ServiceDocument {
  paths: { tee: { evidence: Entry[]; withdrawn?: { value: string; reason: string }[]; workers: { digest: string }[] } };
  revoked: { keys: { publicKey: string; because: string }[]; measurements: { digest: string; because: string }[] };
}

const because = "a test";

describe("serve without --dev", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  async function serve(workers: object, more: readonly string[] = []): Promise<string> {
    const config = join(folder.path, "triseal.config.yaml");
    await writeFile(config, stringify({ workers, ...(more.includes("--dev") ? {} : { trust: join(folder.path, "none.yaml") }) }));
    const args = ["serve", "--config", config, "--data", join(folder.path, "data"), "--port", "0", "--json", ...more];
    const { code, stdout, stderr } = await runCli(args, folder.path);
    expect([code, stdout]).toEqual([1, ""]);
    return stderr;
  }

  it.each([
    ["the simulated platform", "simulated", "simulated"],
    ["the simulated platform, written out", { type: "simulated" }, "simulated"],
    ["a TPM in software", { type: "tpm2-simulated", socket: "/tpm.sock" }, "tpm2-simulated"],
  ])("refuses %s, in one line, before anything is made", async (_, attester, type) => {
    const line = new RegExp(`^triseal: CONFIG_INVALID: workers\\.attester is \`${type}\`[^\\n]*--dev[^\\n]*\\n$`);
    expect(await serve({ attester })).toMatch(line);
  });

  it.each([
    ["an attester that does not exist", { attester: "sgx" }, /workers\.attester\.type/],
    ["a member of another attester", { attester: { type: "tdx", socket: "/x" } }, /workers\.attester: /],
    ["a TPM in software without a socket", { attester: "tpm2-simulated" }, /workers\.attester\.socket/],
  ])("refuses %s", async (_, workers, message) => {
    const stderr = await serve(workers);
    expect(stderr).toMatch(/^triseal: CONFIG_INVALID: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  it.each(["sev-snp", "tdx", "tpm2"])("takes %s, and asks for the keys that production has next", async (type) => {
    expect(await serve({ attester: { type } })).toMatch(/^triseal: KEY_UNKNOWN: [^\n]+\n$/);
  });

  it("makes no trust file for hardware with --dev", async () => {
    expect(await serve({ attester: { type: "tdx" } }, ["--dev"])).toMatch(/^triseal: CONFIG_INVALID: trust: /);
  });

  it("with --dev names a TPM that is not there", async () => {
    const attester = { type: "tpm2-simulated", socket: join(folder.path, "none.sock") };
    expect(await serve({ attester }, ["--dev"])).toMatch(/^triseal: ATTESTER_UNAVAILABLE: /);
  });
});

describe.skipIf(!hasSwtpm)("a worker on a TPM in software", { timeout: 120_000 }, () => {
  let swtpm: Swtpm;
  let service: Service;
  let bundle: Uint8Array;
  let bundleFile: string;

  beforeAll(async () => {
    swtpm = await startSwtpm();
    const attester = { type: "tpm2-simulated", socket: swtpm.socket };
    service = await startService({ config: { workers: { count: 2, jurisdiction: "EU", concurrency: 1, attester } } });
    ({ bundle } = await clientOf(service, await service.trust()).infer(sealedCall));
    bundleFile = join(service.folder, "answer.triseal.json");
    await writeFile(bundleFile, bundle);
  });
  afterAll(async () => {
    expect(await service.close()).toBe(0);
    await swtpm.stop();
  });

  /** The service's trust file after `change`, in a file of its own. */
  async function trustWith(change: (of: ServiceDocument) => void): Promise<string> {
    const document = parse(await readFile(service.trustFile, "utf8")) as { services: ServiceDocument[] };
    const [only] = document.services;
    if (only !== undefined) change(only);
    const file = join(service.folder, "changed-trust.yaml");
    await writeFile(file, stringify(document));
    return file;
  }

  const verify = async (file: string, ...trust: string[]) => {
    const { code, stdout } = await runCli(["verify", file, ...trust, "--json"], repository);
    return { code, verdict: JSON.parse(stdout.trim().split("\n")[0] ?? "") as { outcome: string; code: string | null } };
  };

  it("shows a quote in its session, and says that it is simulated", async () => {
    const { sessions } = (await get(service, "/v1/aci/sessions")).json as { sessions: { session_id: string }[] };
    const session = (await get(service, `/v1/aci/sessions/${sessions[0]?.session_id ?? ""}`)).json as {
      claims: { extra: object };
    };
    expect(session.claims.extra).toMatchObject({ evidence_type: "tpm2-simulated" });
  });

  it("has its bundle accepted offline with the trust file, on assertion and not on attestation", async () => {
    const { code, stdout } = await runCli(["verify", bundleFile, "--trust", service.trustFile, "--json"]);
    expect(code).toBe(0);
    const { claims, checks } = JSON.parse(stdout) as {
      claims: { text: string; basis: string }[];
      checks: { id: string; basis: string; status: string; message: string }[];
    };
    expect(claims.filter(({ text }) => text.includes("tpm2-simulated"))).toEqual([
      expect.objectContaining({ basis: "assertion", text: expect.stringContaining("no hardware vouches for it") as string }),
    ]);
    expect(checks.some(({ message }) => message.startsWith("cpu, simulated: "))).toBe(true);
    expect(checks.filter(({ basis }) => basis === "attestation")).toEqual([]);
  });

  it("has its bundle refused without a trust file", async () => {
    expect(await verify(bundleFile)).toMatchObject({ code: 10, verdict: { outcome: "rejected" } });
  });

  const tpmOf = (of: ServiceDocument): Entry => {
    const [entry] = of.paths.tee.evidence;
    if (entry === undefined) throw new Error("no entry");
    return entry;
  };
  const changes: readonly (readonly [string, string, (of: ServiceDocument) => void])[] = [
    [
      "that names no evidence",
      "TRUST_SIMULATED",
      (of) => {
        of.paths.tee.evidence = [];
      },
    ],
    [
      "that asks for a TPM in hardware",
      "TRUST_SIMULATED",
      (of) => {
        const { because: _, ...entry } = tpmOf(of);
        of.paths.tee.evidence = [{ ...entry, type: "tpm2" }];
      },
    ],
    [
      "with another register",
      "EVIDENCE_MEASUREMENT_MISMATCH",
      (of) => void Object.assign(tpmOf(of).measurements[0]?.registers ?? {}, { "7": "11".repeat(32) }),
    ],
    [
      "with another enroller",
      "EVIDENCE_CHAIN_UNTRUSTED",
      (of) => void Object.assign(tpmOf(of).enrollers[0] ?? {}, { publicKey: "22".repeat(32) }),
    ],
    [
      "that revokes the enroller",
      "KEY_REVOKED",
      (of) => void of.revoked.keys.push({ publicKey: tpmOf(of).enrollers[0]?.publicKey ?? "", because }),
    ],
    [
      "that withdraws a register's value",
      "MEASUREMENT_REVOKED",
      (of) => {
        of.paths.tee.withdrawn = [{ value: tpmOf(of).measurements[0]?.registers["7"] ?? "", reason: because }];
      },
    ],
    [
      "that revokes the worker's build",
      "MEASUREMENT_REVOKED",
      (of) => void of.revoked.measurements.push({ digest: of.paths.tee.workers[0]?.digest ?? "", because }),
    ],
    [
      "that names another build",
      "TRUST_UNKNOWN_WORKER",
      (of) => {
        of.paths.tee.workers = [{ digest: `sha256:${"0".repeat(64)}` }];
      },
    ],
  ];
  it.each(changes)("is refused by caller and auditor under a trust file %s", async (_, code, change) => {
    const file = await trustWith(change);
    expect(await verify(bundleFile, "--trust", file)).toMatchObject({ code: 10, verdict: { outcome: "rejected", code } });
    const client = clientOf(service, parseTrust(new Uint8Array(await readFile(file))));
    await expect(client.infer(sealedCall)).rejects.toMatchObject({
      code: "VERIFICATION_FAILED",
      message: expect.stringContaining(code) as string,
    });
  });

  it("is refused by auditors with its session altered", async () => {
    const document = JSON.parse(new TextDecoder().decode(bundle)) as { sessions: Record<string, { expires_at: number }> };
    const [session] = Object.values(document.sessions);
    if (session !== undefined) session.expires_at += 1;
    const file = join(service.folder, "altered.triseal.json");
    await writeFile(file, JSON.stringify(document));
    const { code } = await runCli(["verify", file, "--trust", service.trustFile, "--json"]);
    expect(code === 10 || code === 30).toBe(true);
  });

  it("is admitted anew when its process is replaced, on the same TPM", async () => {
    const before = (await get(service, "/v1/aci/sessions")).text;
    expect((await runCli(["workers", "restart", "--config", service.configFile, "--data", service.dataDir])).code).toBe(0);
    await until(async () => (await get(service, "/v1/aci/sessions")).text !== before, "new session");
    const answered = await clientOf(service, await service.trust()).infer(sealedCall);
    expect(answered.response.outputs.length).toBeGreaterThan(0);
  });
});
