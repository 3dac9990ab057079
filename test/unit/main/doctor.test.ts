import { describe, expect, it } from "vitest";
import { isAtLeast, probeData, probeNode, probeOnnxRuntime, probeRust } from "../../../src/main/doctor/probes.ts";

describe("the doctor", () => {
  it.each([
    ["20.19.0", true],
    ["20.18.3", false],
    ["24.1.0", true],
    ["2.190", false],
    ["", false],
    ["nightly", false],
  ])("compares version %j with a floor", (version, expected) => expect(isAtLeast(version, [20, 19])).toBe(expected));

  it("names what stops the service `missing`, and what it can do without `absent`", () => {
    expect(probeNode("18.20.0")).toMatchObject({ finding: "missing", detail: "18.20.0" });
    expect(probeRust(null)).toMatchObject({ finding: "absent", detail: "no cargo" });
    expect(probeRust("1.90.0")).toMatchObject({ finding: "absent", detail: "1.90.0" });
    expect(probeRust("1.91.0")).toMatchObject({ finding: "ok", remedy: null });
  });

  it("says so where the inference library cannot be loaded", () => {
    expect(probeOnnxRuntime("onnxruntime-node-of-nowhere")).toMatchObject({ finding: "missing" });
    expect(probeOnnxRuntime()).toMatchObject({ finding: "ok" });
  });

  it("looks above a data folder that is not there yet", () => {
    expect(probeData("/nonexistent/place/data")).toMatchObject({ finding: "missing" });
    expect(probeData("/tmp/not-made-yet")).toMatchObject({ finding: "ok" });
  });
});
