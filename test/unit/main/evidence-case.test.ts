/** Case files: every encoding, pointer and mutation, and what is a malformed case rather than broken evidence. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeBase64, encodeHex, utf8 } from "../../../src/core/bytes.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { decodeCaseDocument, readCaseDocument } from "../../../src/main/evidence/case-file.ts";
import { isEncoding } from "../../../src/main/evidence/decode-reference.ts";
import { judgeCase } from "../../../src/main/evidence/judge-case.ts";
import type { RoleValue } from "../../../src/paths/tee/evidence/appraisal/appraiser.ts";
import { snpQuestion } from "../../fixtures/evidence/snp.ts";

const FORMAT = expect.objectContaining({ code: "FORMAT_INVALID" });
const bytes = Uint8Array.of(0, 1, 0xfe, 0xff, 0x80);
const pem = (der: Uint8Array, label = "CERTIFICATE") =>
  `-----BEGIN ${label}-----\n${encodeBase64(der)}\n-----END ${label}-----\n`;

let folder: string;
const put = async (name: string, content: string | Uint8Array) => await writeFile(join(folder, name), content);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-case-"));
  await put("raw.bin", bytes);
  await put("hex.txt", " 00 01\nFE ff80\n");
  await put("base64.txt", "AAH-_4A");
  await put("packed.gz", gzipSync(utf8(encodeHex(bytes))));
  await put("bomb.gz", gzipSync(new Uint8Array(17 * 1024 * 1024)));
  await put("url.txt", encodeURIComponent(pem(bytes)));
  await put("two.pem", `text\n${pem(bytes)}more text\n${pem(Uint8Array.of(1))}`);
  await put("list.crl", pem(bytes, "X509 CRL"));
  await put("broken.json", "{");
  const inner = JSON.stringify({ deep: [{ text: "inside" }] });
  const document = {
    hex: "0001feff80",
    list: [...bytes],
    "a/b~c": { d: "QQ==" },
    inner,
    spaced: { b: 1.0, a: [2, { c: "x y" }] },
  };
  await put("data.json", JSON.stringify(document, null, 2).replace('"b": 1', '"b": 1.0'));
});

afterAll(() => rm(folder, { recursive: true }));

const CASE = { id: "test/case", kind: "sev-snp", at: "2026-06-01T00:00:00Z" };

async function decode(document: JsonObject) {
  return await decodeCaseDocument({ ...CASE, ...document } as JsonValue, join(folder, "test.case.json"));
}

async function role(reference: JsonValue, mutate: readonly JsonObject[] = []): Promise<RoleValue | undefined> {
  const { evidence } = await decode({ evidence: { report: reference }, mutate });
  return evidence.get("report");
}

describe("a reference", () => {
  it.each<readonly [string, JsonObject, RoleValue]>([
    ["raw, by default", { file: "raw.bin" }, bytes],
    ["hex, in either case and with white space", { file: "hex.txt", encoding: "hex" }, bytes],
    ["base64, in either alphabet and without padding", { file: "base64.txt", encoding: "base64" }, bytes],
    ["gzip, then hex", { file: "packed.gz", encoding: "gzip+hex" }, bytes],
    ["percent-decoding, then PEM", { file: "url.txt", encoding: "url+pem" }, [bytes]],
    ["PEM, all certificates in order", { file: "two.pem", encoding: "pem" }, [bytes, Uint8Array.of(1)]],
    ["PEM of a CRL", { file: "list.crl", encoding: "pem" }, [bytes]],
    ["a member, as hex", { file: "data.json", encoding: "hex", pointer: "/hex" }, bytes],
    ["a member, as an array of bytes", { file: "data.json", encoding: "bytes", pointer: "/list" }, bytes],
    ["a member whose name is escaped", { file: "data.json", encoding: "base64", pointer: "/a~1b~0c/d" }, utf8("A")],
    ["a step into a string", { file: "data.json", pointer: "/inner/deep/0/text" }, utf8("inside")],
    ["a JSON value", { file: "data.json", encoding: "json", pointer: "/list/4" }, { json: 0x80 }],
    ["a JSON string", { file: "data.json", encoding: "json", pointer: "/hex" }, { json: "0001feff80" }],
    [
      "compact text in file order, numbers as written",
      { file: "data.json", encoding: "compact", pointer: "/spaced" },
      utf8('{"b":1.0,"a":[2,{"c":"x y"}]}'),
    ],
  ])("decodes %s", async (_, reference, expected) => {
    expect(await role(reference)).toEqual(expected);
  });

  it.each<readonly [string, JsonObject]>([
    ["hex that is none", { file: "raw.bin", encoding: "hex" }],
    ["base64 that is none", { file: "hex.txt", encoding: "base64" }],
    ["gzip that is none", { file: "raw.bin", encoding: "gzip" }],
    ["gzip that grows beyond what is read", { file: "bomb.gz", encoding: "gzip" }],
    ["PEM without a certificate", { file: "hex.txt", encoding: "pem" }],
    ["JSON that is none", { file: "broken.json", encoding: "json" }],
    ["bytes that are none", { file: "data.json", encoding: "bytes", pointer: "/spaced" }],
    ["an object in place of a string", { file: "data.json", pointer: "/spaced" }],
  ])("that does not decode is broken evidence: %s", async (_, reference) => {
    expect(await role(reference)).toHaveProperty("undecodable");
  });

  it.each<readonly [string, JsonObject]>([
    ["a file that is absent", { file: "absent" }],
    ["an encoding that nobody knows", { file: "raw.bin", encoding: "rot13" }],
    ["an encoding after its end", { file: "two.pem", encoding: "pem+hex" }],
    ["a pointer that leads nowhere", { file: "data.json", pointer: "/none" }],
    ["a pointer without a slash", { file: "data.json", pointer: "hex" }],
    ["a pointer into what is no JSON", { file: "broken.json", pointer: "/a" }],
    ["another member", { file: "raw.bin", other: 1 }],
    ["no file", { encoding: "hex" }],
  ])("makes the case malformed: %s", async (_, reference) => {
    await expect(role(reference)).rejects.toThrow(FORMAT);
  });

  it("may be a list; encodings are checked as a whole", async () => {
    expect(await role([{ file: "raw.bin" }, { file: "two.pem", encoding: "pem" }])).toEqual([bytes, bytes, Uint8Array.of(1)]);
    expect([isEncoding("hex"), isEncoding("base64+pem"), isEncoding(""), isEncoding("+hex")]).toEqual([true, true, false, false]);
  });
});

describe("a mutation", () => {
  const raw = { file: "raw.bin" };
  it.each<readonly [string, JsonObject, Uint8Array]>([
    ["turns bits at an offset", { offset: 1, xor: 3 }, bytes.with(1, 2)],
    ["counts a negative offset from the end", { offset: -1, xor: 1 }, bytes.with(4, 0x81)],
    ["cuts", { truncate: 2 }, bytes.slice(0, 3)],
    ["appends", { append: "0aFF" }, Uint8Array.of(...bytes, 10, 255)],
  ])("%s", async (_, change, expected) => {
    expect(await role(raw, [{ role: "report", ...change }])).toEqual(expected);
  });

  it("is applied in order, and to one member of a list", async () => {
    const twice = [
      { role: "report", truncate: 4 },
      { role: "report", append: "07" },
    ];
    expect(await role(raw, twice)).toEqual(Uint8Array.of(0, 7));
    const second = [{ role: "report", index: 1, append: "00" }];
    expect(await role([raw, raw], second)).toEqual([bytes, Uint8Array.of(...bytes, 0)]);
  });

  it.each<readonly [string, JsonObject]>([
    ["of a role that is absent", { role: "vek", truncate: 1 }],
    ["outside the bytes", { role: "report", offset: 5, xor: 1 }],
    ["of a member that is absent", { role: "report", index: 1, truncate: 1 }],
    ["of two kinds", { role: "report", truncate: 1, append: "00" }],
    ["of no kind", { role: "report" }],
    ["without its xor", { role: "report", offset: 1 }],
    ["with another member", { role: "report", truncate: 1, other: 1 }],
  ])("%s makes the case malformed", async (_, change) => {
    await expect(role(raw, [change])).rejects.toThrow(FORMAT);
  });
});

describe("a case", () => {
  it.each<readonly [string, JsonObject]>([
    ["an unknown member", { other: 1 }],
    ["no clock", { at: null }],
    ["a clock of another form", { at: "yesterday" }],
    ["a role that the kind does not have", { evidence: { quote: { file: "raw.bin" } } }],
    ["an endorsement that the kind does not have", { endorsements: { tcbInfo: { file: "raw.bin" } } }],
    ["a policy that the kind does not know", { policy: { nonce: "00" } }],
    ["components beside a kind of its own", { components: { cpu: { kind: "sev-snp" } } }],
    ["a composite without a CPU", { kind: "composite", components: { gpu: { kind: "sev-snp" } } }],
  ])("is malformed with %s", async (_, document) => {
    await expect(decode(document).then(judgeCase)).rejects.toThrow(FORMAT);
  });

  it("is malformed with duplicate keys or text after it", async () => {
    await put("twice.case.json", '{"id":"a","id":"b"}');
    await expect(readCaseDocument(join(folder, "twice.case.json"))).rejects.toThrow(FORMAT);
  });

  it("judges with the roots that it names, and says whose they were", async () => {
    const { evidence, endorsements, anchors } = snpQuestion();
    const [signer, ark] = endorsements["chain"] as readonly Uint8Array[];
    await put("report.bin", evidence["report"] as Uint8Array);
    await put("vek.der", endorsements["vek"] as Uint8Array);
    await put("chain.pem", pem(signer as Uint8Array) + pem(ark as Uint8Array));
    await put("root.der", anchors[0]?.der ?? new Uint8Array());
    const question = {
      evidence: { report: { file: "report.bin" } },
      endorsements: { vek: { file: "vek.der" }, chain: [{ file: "chain.pem", encoding: "pem" }] },
    };
    const own = await judgeCase(await decode({ ...question, anchors: [{ file: "root.der" }] }));
    expect(own).toMatchObject({ verdict: "accept", code: null, anchors: "case" });
    const builtIn = await judgeCase(await decode(question));
    expect(builtIn).toMatchObject({ verdict: "reject", code: "EVIDENCE_CHAIN_UNTRUSTED", anchors: "built-in" });
    const changed = { ...question, anchors: { file: "root.der" }, mutate: [{ role: "chain", index: 1, append: "00" }] };
    expect(await judgeCase(await decode(changed))).toMatchObject({ code: "EVIDENCE_MALFORMED" });
  });
});
