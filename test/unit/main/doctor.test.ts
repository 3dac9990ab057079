import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { probeHardware } from "../../../src/main/doctor/hardware.ts";
import { probeData, probePort } from "../../../src/main/doctor/places.ts";
import {
  isAtLeast,
  probeEngine,
  probeNode,
  probeOnnxRuntime,
  probeProver,
  probeRust,
  probeSwtpm,
} from "../../../src/main/doctor/probes.ts";

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
    expect(probeData("/tmp", 2 ** 40)).toMatchObject({ finding: "absent", remedy: expect.stringContaining("--data") });
  });

  it("says which port cannot be had, and leaves a free one free", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(await probePort("127.0.0.1", port)).toMatchObject({ finding: "missing", detail: `127.0.0.1:${port}: EADDRINUSE` });
    await new Promise((resolve) => server.close(resolve));
    for (let again = 0; again < 2; again++) expect(await probePort("127.0.0.1", port)).toMatchObject({ finding: "ok" });
    expect(await probePort("192.0.2.1", 0)).toMatchObject({ finding: "missing", remedy: expect.stringContaining("listen") });
  });

  it("says of every program and device how to get it, and stops nothing for it", () => {
    const none = probeHardware({ exists: () => false, isOpen: () => false, versionOf: () => null });
    expect(none.map(({ name }) => name)).toEqual(["configfs-tsm", "sev-snp", "tdx", "tpm", "nvidia-smi", "nvattest"]);
    for (const probe of [...none, probeSwtpm(null)])
      expect(probe).toMatchObject({ finding: "absent", remedy: expect.any(String) });
    const closed = probeHardware({ exists: () => true, isOpen: () => false, versionOf: () => "1.0" });
    expect(closed[3]).toMatchObject({ finding: "absent", detail: "/dev/tpmrm0 is not open to this user" });
    const all = probeHardware({ exists: () => true, isOpen: () => true, versionOf: () => "1.0" });
    expect(all.every(({ finding, remedy }) => finding === "ok" && remedy === null)).toBe(true);
    expect([probeEngine().name, probeProver().name, probeSwtpm("0.7.1").detail]).toEqual(["engine", "prover", "0.7.1"]);
  });
});
