/** Reports through configfs-tsm, from a stand-in for the kernel, appraised under the test authorities. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CollectedEvidence, ReportSource } from "../../../../enclave/attester/attester.ts";
import { parseCertificateTable } from "../../../../enclave/attester/certificate-table.ts";
import { createSevSnpSource } from "../../../../enclave/attester/sev-snp.ts";
import { createTdxSource } from "../../../../enclave/attester/tdx.ts";
import { systemFiles } from "../../../../enclave/attester/tsm-files.ts";
import { encodeHex } from "../../../../src/core/bytes.ts";
import { certificateTable, FakeTsm, type FakeTsmOptions, GUIDS } from "../../../fixtures/attester/fake-tsm.ts";
import { answerTo, type Question } from "../../../fixtures/evidence/question.ts";
import { snpQuestion } from "../../../fixtures/evidence/snp.ts";
import { tdxQuestion } from "../../../fixtures/evidence/tdx.ts";

const REPORT_DATA = Uint8Array.from({ length: 64 }, (_, index) => index);
const never = new AbortController().signal;

const snp = snpQuestion();
const [ask, ark] = snp.endorsements["chain"] as readonly [Uint8Array, Uint8Array];
const table = certificateTable([
  ["11".repeat(16), new Uint8Array(5)],
  [GUIDS.vcek, snp.endorsements["vek"] as Uint8Array],
  [GUIDS.ask, ask],
  [GUIDS.ark, ark],
  [GUIDS.crl, snp.endorsements["crl"] as Uint8Array],
]);

const snpReport = (reportData: Uint8Array) => snpQuestion({ reportData }).evidence["report"] as Uint8Array;
const tdxQuote = (reportData: Uint8Array, version: 4 | 5 = 4) =>
  tdxQuestion({ version, body: { 520: [...reportData] } }).evidence["quote"] as Uint8Array;

const pauses: number[] = [];
const pause = async (ms: number) => {
  pauses.push(ms);
};

function snpSource(options: Partial<FakeTsmOptions> = {}, privilegeLevel?: number): readonly [ReportSource, FakeTsm] {
  const files = new FakeTsm({ report: snpReport, auxblob: table, ...options });
  pauses.length = 0;
  return [createSevSnpSource({ files, pause, ...(privilegeLevel === undefined ? {} : { privilegeLevel }) }), files];
}

async function appraise(question: Question, collected: CollectedEvidence, policy = question.policy): Promise<string | null> {
  const roles = (map: CollectedEvidence["evidence"]) => Object.fromEntries(map);
  const endorsements = collected.endorsements.size === 0 ? question.endorsements : roles(collected.endorsements);
  return (await answerTo({ ...question, evidence: roles(collected.evidence), endorsements, policy })).code;
}

describe("SEV-SNP reports through configfs-tsm", () => {
  const refusals: readonly (readonly [string, Partial<FakeTsmOptions>, string])[] = [
    ["a kernel without the interface", { absent: "ENOENT" }, "ATTESTER_UNAVAILABLE"],
    ["an interface without a platform", { absent: "ENXIO" }, "ATTESTER_UNAVAILABLE"],
    ["a process that may not ask", { absent: "EACCES" }, "ATTESTER_UNAVAILABLE"],
    ["an error of the disk's kind", { absent: "EIO" }, "ATTESTER_FAILED"],
    ["a platform of another kind", { provider: "tdx_guest" }, "ATTESTER_WRONG_PROVIDER"],
    ["no provider at all", { provider: "" }, "ATTESTER_WRONG_PROVIDER"],
    ["a writer that always comes between", { races: 100 }, "ATTESTER_RACED"],
    ["a platform that stays busy while it is read", { busyReads: 100 }, "ATTESTER_BUSY"],
    ["a platform that stays busy while it is written", { busyWrites: 100 }, "ATTESTER_BUSY"],
    ["a reader that is always overtaken", { overtaken: 100 }, "ATTESTER_BUSY"],
    ["report data of which a part is taken", { takes: 63 }, "ATTESTER_FAILED"],
    ["a generation that is no number", { generation: "soon" }, "ATTESTER_MALFORMED"],
    ["an empty report", { report: () => new Uint8Array() }, "ATTESTER_MALFORMED"],
    ["a report that is cut", { report: (data) => snpReport(data).subarray(0, 1183) }, "ATTESTER_MALFORMED"],
    ["a report about other data", { report: () => snpReport(new Uint8Array(64)) }, "ATTESTER_MISMATCH"],
    ["a table of certificates that is cut", { auxblob: table.subarray(0, table.length - 1) }, "ATTESTER_MALFORMED"],
    ["a table without its end", { auxblob: table.subarray(0, 48) }, "ATTESTER_MALFORMED"],
  ];
  it.each(refusals)("%s is refused, and the request is removed", async (_, options, code) => {
    const [source, files] = snpSource(options);
    await expect(source.collect(REPORT_DATA, never)).rejects.toMatchObject({ code });
    expect(files.requests.size).toBe(0);
  });

  it("report data of another length are refused before the kernel is asked", async () => {
    const [source, files] = snpSource();
    await expect(source.collect(REPORT_DATA.subarray(1), never)).rejects.toMatchObject({ code: "ATTESTER_FAILED" });
    expect(files.made).toBe(0);
  });

  it("a caller who gave up is not waited for", async () => {
    const [source, files] = snpSource({ busyReads: 100 });
    await expect(source.collect(REPORT_DATA, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
    expect(files.requests.size).toBe(0);
  });

  it("a report with its certificates passes the appraiser, and with other report data it does not", async () => {
    const [source, files] = snpSource({}, 0);
    const collected = await source.collect(REPORT_DATA, never);
    const policy = { reportData: encodeHex(REPORT_DATA), requireRevocation: true };
    expect(await appraise(snp, collected, policy)).toBeNull();
    expect(await appraise(snp, collected, { reportData: "00".repeat(64) })).toBe("EVIDENCE_REPORT_DATA_MISMATCH");
    expect(files.written).toEqual(["privlevel=0", "inblob=64"]);
    expect(files.requests.size).toBe(0);
  });

  it.each([
    ["races", { races: 3 }],
    ["busy reads", { busyReads: 3 }],
    ["busy writes", { busyWrites: 3 }],
    ["overtaken readers", { overtaken: 3 }],
  ])("%s are outlasted with pauses that double", async (_, options) => {
    const [source] = snpSource(options);
    const collected = await source.collect(REPORT_DATA, never);
    expect(await appraise(snp, collected, { reportData: encodeHex(REPORT_DATA) })).toBeNull();
    expect(pauses).toEqual([5, 10, 20]);
  });

  it.each([
    ["no table", null],
    ["an empty table", new Uint8Array()],
    ["a table of zeros", new Uint8Array(64)],
  ])("a host that gives %s leaves the endorsements out", async (_, auxblob) => {
    const [source] = snpSource({ auxblob });
    expect((await source.collect(REPORT_DATA, never)).endorsements.size).toBe(0);
  });
});

describe("certificate tables", () => {
  const der = new Uint8Array(7).fill(1);
  const with32 = (offset: number, value: number) => {
    const bytes = certificateTable([[GUIDS.vcek, der]]);
    new DataView(bytes.buffer).setUint32(offset, value, true);
    return bytes;
  };
  it.each([
    ["an entry that begins in the entries", with32(16, 24)],
    ["an entry that begins after the end", with32(16, 0xffff_ffff)],
    ["an entry that ends after the end", with32(20, 8)],
    ["an entry of nothing", with32(20, 0)],
    [
      "one name twice",
      certificateTable([
        [GUIDS.vlek, der],
        [GUIDS.vlek, der],
      ]),
    ],
    ["more entries than are read", certificateTable(Array.from({ length: 33 }, () => ["22".repeat(16), der] as const))],
    ["a table shorter than one entry", Uint8Array.of(1, 2, 3)],
  ])("%s is refused", (_, bytes) => {
    expect(() => parseCertificateTable(bytes)).toThrow(expect.objectContaining({ code: "ATTESTER_MALFORMED" }));
  });

  it("names what it knows, and leaves out what it does not", () => {
    expect([...parseCertificateTable(table).keys()]).toEqual(["vcek", "ask", "ark", "crl"]);
  });
});

describe("TDX quotes through configfs-tsm", () => {
  function tdxSource(options: Partial<FakeTsmOptions> = {}): ReportSource {
    const files = new FakeTsm({ provider: "tdx_guest", report: tdxQuote, ...options });
    return createTdxSource({ files, pause });
  }
  it.each<readonly [string, Partial<FakeTsmOptions>, string]>([
    ["a platform of another kind", { provider: "sev_guest" }, "ATTESTER_WRONG_PROVIDER"],
    ["a quote about other data", { report: () => tdxQuote(new Uint8Array(64)) }, "ATTESTER_MISMATCH"],
    ["a quote that is cut", { report: (data) => tdxQuote(data).subarray(0, 600) }, "ATTESTER_MALFORMED"],
    ["a quote of another version", { report: (data) => tdxQuote(data).with(0, 3) }, "ATTESTER_MALFORMED"],
    ["a writer that always comes between", { races: 100 }, "ATTESTER_RACED"],
  ])("%s is refused", async (_, options, code) => {
    await expect(tdxSource(options).collect(REPORT_DATA, never)).rejects.toMatchObject({ code });
  });

  it.each([4, 5] as const)("a quote of version %s passes the appraiser", async (version) => {
    const source = tdxSource({ report: (data) => tdxQuote(data, version) });
    const collected = await source.collect(REPORT_DATA, never);
    expect(await appraise(tdxQuestion(), collected, { reportData: encodeHex(REPORT_DATA) })).toBeNull();
  });
});

describe("the system's files", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "triseal-tsm-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it("a file that comes in pieces is read to its end", async () => {
    const pipe = join(folder, "pipe");
    expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
    const writer = spawn("sh", ["-c", `exec >"${pipe}"; printf abc; sleep 0.05; printf de; sleep 0.05; printf f`]);
    expect(new TextDecoder().decode(await systemFiles.read(pipe, 6))).toBe("abcdef");
    writer.kill();
  });

  it("more than is asked for is refused", async () => {
    await writeFile(join(folder, "large"), new Uint8Array(9000));
    await expect(systemFiles.read(join(folder, "large"), 8999)).rejects.toMatchObject({ code: "ATTESTER_TOO_LARGE" });
    expect((await systemFiles.read(join(folder, "large"), 9000)).length).toBe(9000);
  });

  it("an attribute that is not there is not made", async () => {
    await expect(systemFiles.write(join(folder, "inblob"), REPORT_DATA)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(folder)).not.toContain("inblob");
    await systemFiles.makeFolder(join(folder, "request"));
    await systemFiles.removeFolder(join(folder, "request"));
    expect(await readdir(folder)).not.toContain("request");
  });
});
