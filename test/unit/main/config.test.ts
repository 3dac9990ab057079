import { describe, expect, it } from "vitest";
import { ATTESTER_TYPES, decodeAttesterConfig } from "../../../enclave/attester/attester-config.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { configJsonSchema, parseConfig } from "../../../src/main/config.ts";

describe("limits of the configuration", () => {
  it("have defaults that fit together, and a schema", () => {
    const { limits } = parseConfig("");
    expect(limits.maxInFlightPerTenant).toBeLessThanOrEqual(limits.maxInFlight);
    expect(limits.maxHeldBytesPerTenant).toBeGreaterThanOrEqual(limits.maxBodyBytes);
    expect(JSON.stringify(configJsonSchema())).toContain("maxHeldBytesPerTenant");
  });

  it("are refused where a body of the longest kind could never be held, or where a bound is none", () => {
    const refused = [
      "{ maxBodyBytes: 1048576, maxHeldBytes: 1048575 }",
      "{ maxBodyBytes: 1048576, maxHeldBytesPerTenant: 1048575 }",
      "{ maxInFlightPerTenant: 0 }",
      "{ sendTimeoutMs: 1 }",
      "{ maxHeldBytes: 1.5 }",
    ];
    for (const limits of refused)
      expect(() => parseConfig(`limits: ${limits}`)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(parseConfig("limits: { maxBodyBytes: 1048576, maxHeldBytes: 1048576 }").limits.maxHeldBytes).toBe(1_048_576);
  });
});

describe("the attester of workers", () => {
  const attester = (text: string) => parseConfig(`workers: { attester: ${text} }`).workers.attester;
  const refused = [
    ["that does not exist", "sgx"],
    ["without a type", "{}"],
    ["that is a number", "3"],
    ["with a member of another one", "{ type: tdx, privilegeLevel: 0 }"],
    ["with a seed of its own", "{ type: simulated, seedFile: /seed }"],
    ["in software without a socket", "tpm2-simulated"],
    ["in software with GPUs", "{ type: tpm2-simulated, socket: /s, gpu: {} }"],
    ["at a privilege level that there is not", "{ type: sev-snp, privilegeLevel: 4 }"],
    ["whose GPU tool is nothing", "{ type: tdx, gpu: { command: [] } }"],
    ["with a role that is no name", '{ type: tdx, endorsements: { "a b": [/f] } }'],
  ] as const;
  it.each(refused)("is refused %s", (_, text) => {
    expect(() => attester(text)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(/^workers\.attester/) as string }),
    );
  });

  const whole = [
    "simulated",
    "{ type: sev-snp, privilegeLevel: 1, endorsements: { crl: [/crl] }, gpu: { command: [/nvattest, --x], deadlineMs: 5000 } }",
    "{ type: tdx, endorsements: { tcbInfo: [/a], tcbSigningChain: [/b, /c] }, gpu: { endorsements: { ocsp: [/d] } } }",
    "{ type: tpm2, device: /dev/tpm1, bootLog: /log, enrolment: /e.json, endorsements: { ekCert: [/f] }, gpu: {} }",
    "{ type: tpm2-simulated, socket: /s, bootLog: /log, enrolment: /e.json }",
  ];
  it.each(whole)("is read as the worker reads it: %s", (text) => {
    const configured = attester(text);
    const told = configured.type === "simulated" ? { ...configured, seedFile: "/seed" } : configured;
    expect(decodeAttesterConfig(told as JsonObject, "attester").type).toBe(configured.type);
  });

  it("is the simulated platform where nothing is said, and each type of the worker can be named", () => {
    expect(parseConfig("").workers.attester).toEqual({ type: "simulated" });
    expect(whole.map((text) => attester(text).type)).toEqual(ATTESTER_TYPES);
    expect(JSON.stringify(configJsonSchema())).toContain("tpm2-simulated");
  });
});

describe("what is wrong with a configuration", () => {
  it.each([
    ["polcy: {}", /^the configuration: .*"polcy".*`triseal config`/],
    ["limits: { maxBodyBites: 1 }", /^limits: .*"maxBodyBites"/],
    ["listen: { port: 70000 }", /^listen\.port: /],
    ["- a", /^the configuration: /],
  ])("is said with its place: %s", (text, message) => {
    expect(() => parseConfig(text)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) }),
    );
  });
});
