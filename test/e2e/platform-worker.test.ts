/** A gateway whose worker quotes a TPM in software, as processes: admitted, sealed to by the SDK, its bundle judged offline. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { utf8 } from "../../src/core/bytes.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { parseTrust, type Trust, verifyBundle } from "../../src/verify/index.ts";
import { hasSwtpm, type Swtpm, startSwtpm } from "../fixtures/attester/swtpm.ts";
import { clock, get, type Service, startService, temporaryFolder } from "./gateway-harness.ts";
import { runCli, until } from "./gateway-process.ts";
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

describe("serve without --dev", { timeout: 120_000 }, () => {
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

  it("makes no trust file for hardware, or for an enroller of others, with --dev", async () => {
    expect(await serve({ attester: { type: "tdx" } }, ["--dev"])).toMatch(/^triseal: CONFIG_INVALID: trust: /);
    const enrolled = { type: "tpm2-simulated", socket: "/tpm.sock", enrolment: "/enrolment.json" };
    expect(await serve({ attester: enrolled }, ["--dev"])).toMatch(/^triseal: CONFIG_INVALID: trust: /);
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

  /** The text of the service's trust file after `change`. */
  async function trustWith(change: (of: ServiceDocument) => void): Promise<string> {
    const document = parse(await readFile(service.trustFile, "utf8")) as { services: ServiceDocument[] };
    const [only] = document.services;
    if (only !== undefined) change(only);
    return stringify(document);
  }

  const options = { at: null, request: null, response: null, opening: null, allowPending: false };
  const judge = async (bytes: Uint8Array, trust: Trust) => await verifyBundle(bytes, trust, { ...options, now: clock() });

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
    expect((await runCli(["verify", bundleFile, "--json"])).code).toBe(10);
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
    const trust = parseTrust(utf8(await trustWith(change)));
    expect(await judge(bundle, trust)).toMatchObject({ outcome: "rejected", code });
    const client = clientOf(service, trust);
    await expect(client.infer(sealedCall)).rejects.toMatchObject({
      code: "VERIFICATION_FAILED",
      message: expect.stringContaining(code) as string,
    });
  });

  it("has its bundle refused by the command line, with the code, under a trust file that asks for hardware", async () => {
    const file = join(service.folder, "hardware-trust.yaml");
    const text = await trustWith((of) => {
      of.paths.tee.evidence = [];
    });
    await writeFile(file, text);
    const { code, stdout } = await runCli(["verify", bundleFile, "--trust", file, "--json"]);
    expect([code, JSON.parse(stdout)]).toMatchObject([10, { outcome: "rejected", code: "TRUST_SIMULATED" }]);
  });

  it("is refused with any field of its session altered", async () => {
    const document = parseJson(bundle) as { readonly sessions: Readonly<Record<string, JsonObject>> };
    const [entry] = Object.entries(document.sessions);
    if (entry === undefined) throw new Error("no session");
    const [id, session] = entry;
    const trust = await service.trust();
    for (const name of Object.keys(session)) {
      const altered = { ...session, [name]: typeof session[name] === "number" ? session[name] + 1 : "altered" };
      const changed = utf8(JSON.stringify({ ...document, sessions: { [id]: altered } }));
      const { outcome, code } = await judge(changed, trust);
      expect([name, outcome === "accepted", code === null]).toEqual([name, false, false]);
    }
  });

  it("is admitted anew when its process is replaced, on the same TPM", async () => {
    const before = (await get(service, "/v1/aci/sessions")).text;
    expect((await runCli(["workers", "restart", "--config", service.configFile, "--data", service.dataDir])).code).toBe(0);
    await until(async () => (await get(service, "/v1/aci/sessions")).text !== before, "new session");
    const answered = await clientOf(service, await service.trust()).infer(sealedCall);
    expect(answered.response.outputs.length).toBeGreaterThan(0);
  });
});
