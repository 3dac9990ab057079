import { describe, expect, it } from "vitest";
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
