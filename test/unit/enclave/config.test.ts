import { describe, expect, it } from "vitest";
import { parseWorkerConfig } from "../../../enclave/worker/config.ts";
import { utf8 } from "../../../src/core/bytes.ts";

const least = { v: 1, name: "w", attester: { type: "simulated", seedFile: "/seed" }, modelsFolder: "/models" };
const parse = (config: unknown) => parseWorkerConfig(utf8(JSON.stringify(config)));
const invalid = expect.objectContaining({ code: "CONFIG_INVALID" });

describe("the worker's configuration", () => {
  it("needs a name, an attester and models, and has defaults for the rest", () => {
    expect(parse(least)).toEqual(expect.objectContaining({ executionProviders: ["cpu"], concurrency: 2, queueLength: 64 }));
    expect(parse({ ...least, concurrency: 5, executionProviders: ["cuda", "cpu"] })).toEqual(
      expect.objectContaining({ executionProviders: ["cuda", "cpu"], concurrency: 5 }),
    );
  });

  it.each([
    ["an unknown key", { ...least, cores: 3 }],
    ["another version", { ...least, v: 2 }],
    ["no attester", { v: 1, name: "w", modelsFolder: "/models" }],
    ["an attester that does not exist", { ...least, attester: { type: "sgx", seedFile: "/seed" } }],
    ["models given twice", { ...least, packageFolders: ["/a"] }],
    ["no models", { v: 1, name: "w", attester: least.attester }],
    ["no execution provider", { ...least, executionProviders: [] }],
    ["a provider named twice", { ...least, executionProviders: ["cpu", "cpu"] }],
    ["an unknown provider", { ...least, executionProviders: ["tpu"] }],
    ["no lane", { ...least, concurrency: 0 }],
    ["a keyset that is renewed all the time", { ...least, keysetLifetimeS: 10 }],
  ])("refuses %s", (_, config) => {
    expect(() => parse(config)).toThrow(invalid);
  });

  it("refuses what is no JSON", () => {
    expect(() => parseWorkerConfig(utf8("{"))).toThrow(invalid);
    expect(() => parseWorkerConfig(utf8(`${JSON.stringify(least)} x`))).toThrow(invalid);
    expect(() => parseWorkerConfig(Uint8Array.of(0xff))).toThrow(invalid);
  });
});
