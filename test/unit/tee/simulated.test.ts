import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSimulatedAttester } from "../../../enclave/attester/simulated.ts";
import { encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../../src/core/json.ts";
import {
  encodeSimulatedEvidence,
  parseSimulatedEvidence,
  verifySimulatedEvidence,
} from "../../../src/paths/tee/wire/simulated.ts";
import { createSigner, generateKey } from "../../../src/signing/ed25519-signer.ts";

const reportData = new Uint8Array(64).fill(5);
const measurement = digestOf(utf8("files"));
const platform = createSigner("platform", generateKey());
const signal = new AbortController().signal;

describe("simulated evidence", () => {
  it("carries report data and measurement under the platform's signature", () => {
    const evidence = parseSimulatedEvidence(encodeSimulatedEvidence(reportData, measurement, platform));
    expect(verifySimulatedEvidence(evidence)).toBe(true);
    expect(evidence).toEqual(
      expect.objectContaining({ type: "simulated", measurement, platformKey: platform.publicKey, reportData: "05".repeat(64) }),
    );
  });

  it("does not verify after any change", () => {
    const document = parseJson(encodeSimulatedEvidence(reportData, measurement, platform)) as JsonObject;
    const changes = [
      { reportData: "06".repeat(64) },
      { measurement: digestOf(utf8("other")) },
      { platformKey: createSigner("other", generateKey()).publicKey },
      { signature: "00".repeat(64) },
    ];
    for (const change of changes) {
      expect(verifySimulatedEvidence(parseSimulatedEvidence(encodeJcs({ ...document, ...change })))).toBe(false);
    }
  });

  it("is refused in any other form", () => {
    const document = parseJson(encodeSimulatedEvidence(reportData, measurement, platform)) as JsonObject;
    const bad = expect.objectContaining({ code: "FORMAT_INVALID" });
    for (const change of [{ v: 2 }, { type: "sev-snp" }, { reportData: "05" }, { measurement: "x" }, { more: true }]) {
      expect(() => parseSimulatedEvidence(encodeJcs({ ...document, ...change }))).toThrow(bad);
    }
    expect(() => parseSimulatedEvidence(utf8(""))).toThrow(bad);
  });
});

describe("the simulated attester", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "triseal-seed-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("signs what it is given with the platform's seed, and calls itself simulated", async () => {
    await writeFile(join(folder, "seed"), `${encodeHex(new Uint8Array(32).fill(1))}\n`);
    const attester = await createSimulatedAttester(join(folder, "seed"), measurement);
    const evidence = parseSimulatedEvidence(await attester.evidence(reportData, [], signal));
    expect(attester.type).toBe("simulated");
    expect(verifySimulatedEvidence(evidence)).toBe(true);
    // RFC 8032 public key of the seed 0101…01.
    expect(evidence.platformKey).toBe("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
    await expect(attester.evidence(reportData, [], AbortSignal.abort())).rejects.toThrow();
  });

  it("does not start without a seed of 32 bytes", async () => {
    const bad = expect.objectContaining({ code: "KEY_FILE_INVALID" });
    await expect(createSimulatedAttester(join(folder, "none"), measurement)).rejects.toEqual(bad);
    for (const [index, content] of ["", "00", "zz".repeat(32), "00".repeat(33)].entries()) {
      await writeFile(join(folder, `bad-${index}`), content);
      await expect(createSimulatedAttester(join(folder, `bad-${index}`), measurement)).rejects.toEqual(bad);
    }
  });
});
