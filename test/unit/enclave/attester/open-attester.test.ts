/** Attesters as a worker's configuration names them, and the frozen evidence that they give. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AttesterConfig, decodeAttesterConfig } from "../../../../enclave/attester/attester-config.ts";
import { openAttester } from "../../../../enclave/attester/open-attester.ts";
import { utf8 } from "../../../../src/core/bytes.ts";
import { digestOf } from "../../../../src/core/digest.ts";
import { parsePlatformEvidence } from "../../../../src/paths/tee/wire/platform-evidence.ts";
import { hasSwtpm, type Swtpm, startSwtpm } from "../../../fixtures/attester/swtpm.ts";

const never = new AbortController().signal;
const MEASUREMENT = digestOf(utf8("files"));

describe("an attester's configuration", () => {
  it.each([
    ["no object", "tpm2"],
    ["no type", {}],
    ["a type that is not known", { type: "sgx" }],
    ["a member of Object", { type: "constructor" }],
    ["a simulated platform without its seed", { type: "simulated" }],
    ["a simulator without its socket", { type: "tpm2-simulated" }],
    ["a device for a simulator", { type: "tpm2-simulated", socket: "/s", device: "/dev/tpmrm0" }],
    ["a socket for hardware", { type: "tpm2", socket: "/s" }],
    ["devices beside a simulator", { type: "tpm2-simulated", socket: "/s", gpu: {} }],
    ["a privilege level that does not exist", { type: "sev-snp", privilegeLevel: 4 }],
    ["a privilege level where there is none", { type: "tdx", privilegeLevel: 0 }],
    ["a file that is not in a list", { type: "tdx", endorsements: { tcbInfo: "/f" } }],
  ])("refuses %s", (_, config) => {
    expect(() => decodeAttesterConfig(config, "attester")).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });

  it.each([
    { type: "sev-snp", privilegeLevel: 0, gpu: { command: ["nvattest"], deadlineMs: 1000 } },
    { type: "tdx", endorsements: { tcbInfo: ["/f"] } },
    { type: "tpm2" },
    { type: "tpm2-simulated", socket: "/s" },
  ])("takes $type", async (config) => {
    const decoded = decodeAttesterConfig(config, "attester");
    expect((await openAttester(decoded, MEASUREMENT)).type).toBe(config.type);
  });
});

describe.skipIf(!hasSwtpm)("an attester over a TPM in software", () => {
  let swtpm: Swtpm;
  let folder = "";
  beforeAll(async () => {
    swtpm = await startSwtpm();
    folder = await mkdtemp(join(tmpdir(), "triseal-attester-"));
    await writeFile(join(folder, "enrolment"), "{}");
    await writeFile(join(folder, "large"), new Uint8Array(1024 * 1024 + 1));
  });
  afterAll(async () => {
    await swtpm.stop();
    await rm(folder, { recursive: true });
  });

  async function evidence(more: Omit<Extract<AttesterConfig, { type: "tpm2-simulated" }>, "type" | "socket">) {
    const attester = await openAttester({ type: "tpm2-simulated", socket: swtpm.socket, ...more }, MEASUREMENT);
    try {
      expect(await attester.devices(new Uint8Array(32), never)).toEqual([]);
      return parsePlatformEvidence(await attester.evidence(new Uint8Array(64), [], never));
    } finally {
      await attester.close();
    }
  }

  it("refuses files that are not there or too large", async () => {
    await expect(evidence({ enrolment: join(folder, "none") })).rejects.toMatchObject({ code: "ATTESTER_UNAVAILABLE" });
    await expect(evidence({ bootLog: folder })).rejects.toMatchObject({ code: "ATTESTER_UNAVAILABLE" });
    await expect(evidence({ bootLog: join(folder, "large") })).rejects.toMatchObject({ code: "ATTESTER_TOO_LARGE" });
  });

  it("freezes a quote with what endorses its key", async () => {
    const frozen = await evidence({ enrolment: join(folder, "enrolment") });
    expect([...frozen.evidence.keys()].sort()).toEqual(["akPublic", "pcrs", "quote", "signature"]);
    expect(frozen.endorsements.get("enrolment")).toEqual(utf8("{}"));
  });
});
