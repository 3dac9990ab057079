/** TDX quotes of the project's own making: accepted forms, and one change at a time with its exact code. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concatBytes, encodeHex, utf8 } from "../../../../src/core/bytes.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import { ask, failures, flipped, type Question, seconds } from "../../../fixtures/evidence/question.ts";
import {
  encodeQuote,
  issuePck,
  isvLevel,
  level,
  PLATFORM,
  platformCa,
  processorCa,
  QE_IDENTITY,
  type QuoteOptions,
  root,
  signedBody,
  TCB_INFO,
  tcbSigner,
  tdxEndorsements,
  tdxKeys,
  tdxQuestion,
} from "../../../fixtures/evidence/tdx.ts";
import { ecKey, encodeCrl, issue, issueAuthority } from "../../../fixtures/evidence/test-authority.ts";

const ALL_SGX = Array.from({ length: 16 }, () => 3);

describe("accepted TDX quotes", () => {
  it.each<readonly [string, QuoteOptions]>([
    ["version 4", {}],
    ["version 5 of TDX 1.0", { version: 5 }],
    ["version 5 of TDX 1.5", { version: 5, isTd15: true }],
    ["without authentication data of the quoting enclave", { qeAuthData: new Uint8Array() }],
    ["with long authentication data", { qeAuthData: new Uint8Array(1000).fill(9) }],
  ])("%s", async (_, options) => {
    const question = tdxQuestion(options);
    expect(await failures(question)).toEqual([]);
    const { claims } = await ask(question);
    const expected = { quoteVersion: options.version ?? 4, fmspc: PLATFORM.fmspc, tcbStatus: "UpToDate", mrtd: "22".repeat(48) };
    expect(claims).toMatchObject(expected);
  });

  it("under every pin of a policy", async () => {
    const policy = {
      acceptedTcbStatus: ["UpToDate"],
      minimumTcbEvaluationDataNumber: 17,
      fmspc: "B0C06F000000",
      qeVendorId: "939a7233f79c4ca9940a0db3957f0607",
      tdAttributes: "0000001000000000",
      xfam: "e702060000000000",
      requireSeptVeDisable: true,
      minimumTeeTcbSvn: `050102${"00".repeat(13)}`,
      reportData: "33".repeat(64),
      measurements: { mrtd: "22".repeat(48), rtmr0: "00".repeat(48), mrSeam: ["11".repeat(48)], mrServiceTd: null },
    };
    expect(await failures({ ...tdxQuestion(), policy })).toEqual([]);
  });

  it("without collateral where the policy asks for none, and says what it did not check", async () => {
    const question = { ...tdxQuestion(), endorsements: {}, policy: { requireCollateral: false } };
    expect(await failures(question)).toEqual([]);
    const { checks, claims } = await ask(question);
    expect(claims).toMatchObject({ tcbStatus: null });
    expect(checks.filter(({ status }) => status === "skipped").map(({ id }) => id)).toContain("tcb.current");
  });

  it("with collateral whose signature stands apart", async () => {
    const { tcbInfo, ...others } = tdxEndorsements();
    const body = new TextDecoder().decode(tcbInfo as Uint8Array);
    const [, object = "", signature = ""] = /^\{"tcbInfo":(.*),"signature":"([0-9a-f]+)"\}$/.exec(body) ?? [];
    const endorsements = { ...others, tcbInfo: utf8(object), tcbInfoSignature: Uint8Array.from(Buffer.from(signature, "hex")) };
    expect(await failures({ ...tdxQuestion(), endorsements })).toEqual([]);
    const { tcbInfoSignature: _, ...unsigned } = endorsements;
    expect(await failures({ ...tdxQuestion(), endorsements: unsigned })).toEqual(["COLLATERAL_MISSING"]);
  });

  it("with a PCK of the processor's authority, whose CRL names its own chain", async () => {
    const chain = [issuePck(processorCa), processorCa, root];
    const crl = { pckCrl: encodeCrl({ issuer: processorCa }), pckCrlChain: [processorCa.der, root.der] };
    expect(await failures({ ...tdxQuestion({ chain }), endorsements: { ...tdxEndorsements(), ...crl } })).toEqual([]);
  });
});

describe("refused TDX quotes that are well signed", () => {
  it.each<readonly [string, QuoteOptions, JsonObject, readonly string[]]>([
    ["a debug TD", { body: { 120: [1] } }, {}, ["DEBUG_ENABLED"]],
    ["a reserved attribute", { body: { 121: [1] } }, {}, ["ATTRIBUTES_INVALID"]],
    ["the attribute of bit 29", { body: { 123: [0x20] } }, {}, ["ATTRIBUTES_INVALID"]],
    ["XFAM without x87 and SSE", { body: { 128: [0xe4] } }, {}, ["ATTRIBUTES_INVALID"]],
    ["XFAM with a reserved bit", { body: { 129: [0x06] } }, {}, ["ATTRIBUTES_INVALID"]],
    ["SEPT_VE_DISABLE not set", { body: { 123: [0] } }, { requireSeptVeDisable: true }, ["ATTRIBUTES_INVALID"]],
    ["attributes that differ", {}, { tdAttributes: "0000000000000000" }, ["ATTRIBUTES_INVALID"]],
    ["XFAM that differs", {}, { xfam: "e700060000000000" }, ["ATTRIBUTES_INVALID"]],
    ["report data that differ", {}, { reportData: `${"33".repeat(63)}34` }, ["REPORT_DATA_MISMATCH"]],
    ["report data of half the length", {}, { reportData: "33".repeat(32) }, ["REPORT_DATA_MISMATCH"]],
    ["MRTD that differs", {}, { measurements: { mrtd: "23".repeat(48) } }, ["MEASUREMENT_MISMATCH"]],
    ["RTMR 3 that differs", {}, { measurements: { rtmr3: "23".repeat(48) } }, ["MEASUREMENT_MISMATCH"]],
    ["a service TD where there is none", {}, { measurements: { mrServiceTd: "00".repeat(48) } }, ["MEASUREMENT_MISMATCH"]],
    ["a pinned FMSPC that differs", {}, { fmspc: "50806f000000" }, ["COLLATERAL_MISMATCH"]],
    ["another vendor of the quoting enclave", {}, { qeVendorId: "00".repeat(16) }, ["QE_IDENTITY_INVALID"]],
    ["TEE TCB below the floor", {}, { minimumTeeTcbSvn: `060102${"00".repeat(13)}` }, ["TCB_OUT_OF_DATE"]],
    ["a floor of another length", {}, { minimumTeeTcbSvn: "05" }, ["TCB_OUT_OF_DATE"]],
    ["a module of another signer", { body: { 64: [1] } }, {}, ["TCB_MISMATCH"]],
    ["a module with attributes", { body: { 112: [1] } }, {}, ["TCB_MISMATCH"]],
    ["a module of a version that nobody names", { body: { 1: [2] } }, {}, ["TCB_MISMATCH", "TCB_OUT_OF_DATE"]],
    ["a module that is out of date", { body: { 0: [3] } }, {}, ["TCB_OUT_OF_DATE"]],
    ["a module below every level", { body: { 0: [1] } }, {}, ["TCB_OUT_OF_DATE"]],
    ["TDX components below the level", { body: { 2: [1] } }, {}, ["TCB_OUT_OF_DATE"]],
    ["TDX components below every level", { body: { 2: [0] } }, {}, ["TCB_OUT_OF_DATE"]],
    ["a quoting enclave of another signer", { qe: { 128: [1] } }, {}, ["QE_IDENTITY_INVALID"]],
    ["a quoting enclave of another product", { qe: { 256: [1] } }, {}, ["QE_IDENTITY_INVALID"]],
    ["a quoting enclave that is debugged", { qe: { 48: [0x13] } }, {}, ["QE_IDENTITY_INVALID"]],
    ["a quoting enclave of other MISCSELECT", { qe: { 16: [1] } }, {}, ["QE_IDENTITY_INVALID"]],
    ["a quoting enclave that is out of date", { qe: { 258: [5] } }, {}, ["TCB_OUT_OF_DATE"]],
    ["a quoting enclave below every level", { qe: { 258: [3] } }, {}, ["TCB_OUT_OF_DATE"]],
    ["an attestation key that is not bound", { qeReportData: new Uint8Array(64) }, {}, ["KEY_BINDING_INVALID"]],
    ["a QE report signed by another key", { pck: ecKey("P-256") }, {}, ["SIGNATURE_INVALID"]],
    ["an SGX quote", { header: { 4: [0] } }, {}, ["UNSUPPORTED"]],
    ["a quote of version 3", { header: { 0: [3] } }, {}, ["UNSUPPORTED"]],
    ["an attestation key of another type", { header: { 2: [3] } }, {}, ["UNSUPPORTED"]],
    ["certification data of another type", { certificationType: 1 }, {}, ["UNSUPPORTED"]],
    ["text after the PCK chain", { afterChain: utf8("x") }, {}, ["MALFORMED"]],
  ])("%s", async (_, options, policy, codes) => {
    expect(await failures({ ...tdxQuestion(options), policy })).toEqual(codes);
  });

  it("a key hash that is right and bytes after it that are not zero", async () => {
    const ak = tdxKeys.ak.spki.slice(-64);
    const hash = createHash("sha256")
      .update(concatBytes(ak, new Uint8Array(32).fill(1)))
      .digest();
    const qeReportData = concatBytes(new Uint8Array(hash), new Uint8Array(31), Uint8Array.of(1));
    expect(await failures(tdxQuestion({ qeReportData }))).toEqual(["KEY_BINDING_INVALID"]);
  });

  it("a TCB that the policy accepts by name only", async () => {
    const endorsements = tdxEndorsements({ ...TCB_INFO, tcbLevels: [level("SWHardeningNeeded", ALL_SGX, 11, [])] });
    const question = { ...tdxQuestion(), endorsements };
    expect(await failures(question)).toEqual(["TCB_OUT_OF_DATE"]);
    const policy = { acceptedTcbStatus: ["UpToDate", "SWHardeningNeeded"] };
    expect(await failures({ ...question, policy })).toEqual([]);
  });
});

describe("levels of a TDX platform", () => {
  const status = async (tcbInfo: JsonObject, qeIdentity = QE_IDENTITY, options: QuoteOptions = {}) =>
    (await ask({ ...tdxQuestion(options), endorsements: tdxEndorsements(tcbInfo, qeIdentity) })).claims?.["tcbStatus"];

  it.each([
    ["every SGX component counts", level("UpToDate", ALL_SGX.with(15, 4), 0, []), null],
    ["PCESVN counts", level("UpToDate", [], 12, []), null],
    ["TDX components from 2 on count", level("UpToDate", [], 0, [0, 0, 3]), null],
    ["the module's own two do not, since it has an identity", level("UpToDate", [], 0, [255, 255, 2]), "UpToDate"],
    [
      "the first level that is reached counts, in the order of the document",
      level("ConfigurationNeeded", [], 0, []),
      "ConfigurationNeeded",
    ],
  ])("%s", async (_, only, expected) => {
    expect(await status({ ...TCB_INFO, tcbLevels: [only] })).toBe(expected);
  });

  it("a module of version 0 is judged by all sixteen components, and by the first identity", async () => {
    const levels = [level("UpToDate", [], 0, [4]), level("OutOfDate", [], 0, [3])];
    expect(await status({ ...TCB_INFO, tcbLevels: levels }, QE_IDENTITY, { body: { 0: [4, 0] } })).toBe("UpToDate");
    expect(await status({ ...TCB_INFO, tcbLevels: levels }, QE_IDENTITY, { body: { 0: [3, 0] } })).toBe("OutOfDate");
  });

  it.each([
    ["UpToDate", "OutOfDate", "OutOfDate"],
    ["SWHardeningNeeded", "OutOfDate", "OutOfDate"],
    ["ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"],
    ["ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"],
    ["OutOfDateConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"],
    ["UpToDate", "Revoked", "Revoked"],
    ["Revoked", "OutOfDate", "Revoked"],
    ["OutOfDate", "UpToDate", "OutOfDate"],
    ["UpToDate", "SWHardeningNeeded", "SWHardeningNeeded"],
    ["ConfigurationNeeded", "SWHardeningNeeded", "ConfigurationAndSWHardeningNeeded"],
    ["OutOfDate", "ConfigurationNeeded", "OutOfDateConfigurationNeeded"],
  ])("%s of the platform and %s of the quoting enclave are %s", async (platform, enclave, whole) => {
    const tcbInfo = { ...TCB_INFO, tcbLevels: [level(platform, [], 0, [])] };
    expect(await status(tcbInfo, { ...QE_IDENTITY, tcbLevels: [isvLevel(0, enclave)] })).toBe(whole);
  });
});

describe("refused TDX quotes whose signatures or bytes are broken", () => {
  const question = tdxQuestion();
  const quote = question.evidence["quote"] as Uint8Array;

  it.each([
    ["a bit of MRTD", flipped(quote, 48 + 136), ["SIGNATURE_INVALID"]],
    ["a bit of the header's user data", flipped(quote, 30), ["SIGNATURE_INVALID"]],
    ["a bit of the quote signature", flipped(quote, 636), ["SIGNATURE_INVALID"]],
    ["a bit of the attestation key", flipped(quote, 700), ["SIGNATURE_INVALID", "KEY_BINDING_INVALID"]],
    ["a bit of the QE report's reserved bytes", flipped(quote, 770 + 30), ["SIGNATURE_INVALID"]],
    ["a bit of the QE report's signature", flipped(quote, 770 + 390), ["SIGNATURE_INVALID"]],
    ["a bit of the QE authentication data", flipped(quote, 770 + 450), ["KEY_BINDING_INVALID"]],
    ["a byte too few", quote.slice(0, -1), ["MALFORMED"]],
    ["a byte too many", concatBytes(quote, Uint8Array.of(0)), ["MALFORMED"]],
    ["an authentication size that is too large", flipped(quote, 635), ["MALFORMED"]],
    ["an inner size that is too small", flipped(quote, 48 + 584 + 4 + 128 + 2), ["MALFORMED"]],
    ["more than is read", new Uint8Array(70_000), ["MALFORMED"]],
  ])("%s", async (_, bytes, codes) => {
    expect(await failures({ ...question, evidence: { quote: bytes } })).toEqual(codes);
  });

  it("what follows the quote is as the policy says", async () => {
    const zeros = { ...question, evidence: { quote: concatBytes(quote, new Uint8Array(70)) } };
    const text = { ...question, evidence: { quote: concatBytes(quote, utf8("text")) } };
    expect(await failures({ ...zeros, policy: { trailing: "zeros" } })).toEqual([]);
    expect(await failures({ ...text, policy: { trailing: "zeros" } })).toEqual(["MALFORMED"]);
    expect(await failures({ ...text, policy: { trailing: "any" } })).toEqual([]);
  });

  it("a body of version 5 with another type or size", async () => {
    const five = encodeQuote({ version: 5 });
    expect(await failures({ ...question, evidence: { quote: five.with(48, 1) } })).toEqual(["UNSUPPORTED"]);
    expect(await failures({ ...question, evidence: { quote: five.with(48, 3) } })).toEqual(["MALFORMED"]);
  });
});

describe("refused chains of TDX quotes", () => {
  const leaf = issuePck();
  it.each<readonly [string, QuoteOptions, readonly string[]]>([
    ["no intermediate", { chain: [leaf, root] }, ["CHAIN_UNTRUSTED", "COLLATERAL_SIGNATURE_INVALID"]],
    ["another order", { chain: [leaf, root, platformCa] }, ["CHAIN_UNTRUSTED", "COLLATERAL_SIGNATURE_INVALID"]],
    [
      "a PCK without the SGX extension",
      { chain: [issue({ subject: "Intel SGX PCK Certificate", key: tdxKeys.pck, issuer: platformCa }), platformCa, root] },
      ["CHAIN_UNTRUSTED"],
    ],
    [
      "a PCK of another name",
      { chain: [issuePck(platformCa, PLATFORM, "Intel SGX Other"), platformCa, root] },
      ["CHAIN_UNTRUSTED"],
    ],
  ])("%s", async (_, options, codes) => {
    expect(await failures(tdxQuestion(options))).toEqual(codes);
  });

  it("a root that nobody named", async () => {
    expect(await failures({ ...tdxQuestion(), anchors: [] })).toEqual(["CHAIN_UNTRUSTED"]);
    const other = issueAuthority({ subject: "Intel SGX Root CA", key: ecKey("P-256"), issuer: null });
    expect(await failures({ ...tdxQuestion(), anchors: [other.certificate] })).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("collateral signed by a certificate that is no signer of TCB documents", async () => {
    const pck = issuePck();
    const tcbInfo = signedBody("tcbInfo", TCB_INFO, tdxKeys.pck);
    const qeIdentity = signedBody("enclaveIdentity", QE_IDENTITY, tdxKeys.pck);
    const tcbSigningChain = [pck.der, platformCa.der, root.der];
    const endorsements = { ...tdxEndorsements(), tcbInfo, qeIdentity, tcbSigningChain };
    expect(await failures({ ...tdxQuestion(), endorsements })).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("clocks before and after the certificates", async () => {
    const at = (time: string): Question => ({ ...tdxQuestion(), at: seconds(time) });
    expect((await failures(at("2023-12-31T23:59:59Z")))[0]).toBe("CERT_NOT_YET_VALID");
    expect((await failures(at("2034-01-01T00:00:01Z")))[0]).toBe("CERT_EXPIRED");
  });
});

describe("refused collateral of TDX quotes", () => {
  const given = tdxEndorsements();
  const withEndorsements = (changes: Question["endorsements"], policy: JsonObject = {}): Question => ({
    ...tdxQuestion(),
    endorsements: { ...given, ...changes },
    policy,
  });

  it.each(["tcbInfo", "qeIdentity", "tcbSigningChain", "pckCrl", "rootCrl"])("no `%s`: never taken for good", async (name) => {
    const { [name]: _, ...others } = given;
    expect((await failures({ ...tdxQuestion(), endorsements: others }))[0]).toBe("COLLATERAL_MISSING");
    const [first] = await failures(withEndorsements({ [name]: [] }));
    expect(first).toBe(name === "tcbSigningChain" ? "COLLATERAL_MISSING" : "MALFORMED");
  });

  it.each<readonly [string, JsonObject, JsonObject, readonly string[]]>([
    ["TCB info of another FMSPC", { fmspc: "50806F000000" }, {}, ["COLLATERAL_MISMATCH"]],
    ["TCB info of another PCE", { pceId: "0100" }, {}, ["COLLATERAL_MISMATCH"]],
    [
      "TCB info of SGX",
      { id: "SGX", tdxModule: undefined, tdxModuleIdentities: undefined } as unknown as JsonObject,
      {},
      ["COLLATERAL_MISMATCH"],
    ],
    ["QE identity of SGX", {}, { id: "QE" }, ["COLLATERAL_MISMATCH"]],
    ["TCB info of version 2", { version: 2 }, {}, ["UNSUPPORTED"]],
    ["TCB info that is stale", { nextUpdate: "2026-05-31T23:59:59Z" }, {}, ["COLLATERAL_EXPIRED"]],
    ["TCB info of the future", { issueDate: "2026-06-01T00:00:01Z" }, {}, ["COLLATERAL_EXPIRED"]],
    ["QE identity that is stale", {}, { nextUpdate: "2026-05-31T23:59:59Z" }, ["COLLATERAL_EXPIRED"]],
    ["TCB info with a rolled back evaluation number", { tcbEvaluationDataNumber: 16 }, {}, ["COLLATERAL_EXPIRED"]],
    ["QE identity with a rolled back evaluation number", {}, { tcbEvaluationDataNumber: 16 }, ["COLLATERAL_EXPIRED"]],
    ["a status that nobody knows", { tcbLevels: [level("Fine", [], 0, [])] }, {}, ["MALFORMED"]],
    ["a date of another form", { nextUpdate: "2026-06-14" }, {}, ["MALFORMED"]],
    ["no levels", { tcbLevels: [] }, {}, ["TCB_OUT_OF_DATE"]],
    ["no identity of the module", { tdxModuleIdentities: [] }, {}, ["TCB_MISMATCH", "TCB_OUT_OF_DATE"]],
  ])("%s", async (_, tcbInfo, qeIdentity, codes) => {
    const endorsements = tdxEndorsements({ ...TCB_INFO, ...tcbInfo }, { ...QE_IDENTITY, ...qeIdentity });
    expect(await failures(withEndorsements(endorsements, { minimumTcbEvaluationDataNumber: 17 }))).toEqual(codes);
  });

  it("TCB info whose text was changed, written anew, or signed by another key", async () => {
    const text = new TextDecoder().decode(given["tcbInfo"] as Uint8Array);
    const changed = utf8(text.replace('"pcesvn":11', '"pcesvn":10'));
    const spaced = utf8(text.replace('"id":"TDX"', '"id": "TDX"'));
    const foreign = signedBody("tcbInfo", TCB_INFO, ecKey("P-256"));
    for (const tcbInfo of [changed, spaced, foreign])
      expect(await failures(withEndorsements({ tcbInfo }))).toEqual(["COLLATERAL_SIGNATURE_INVALID"]);
  });

  it("TCB info with a duplicate key, another member, or bytes after it", async () => {
    const text = new TextDecoder().decode(given["tcbInfo"] as Uint8Array);
    const twice = utf8(text.replace('"version":3', '"version":3,"version":3'));
    const more = utf8(text.replace(/\}$/, ',"other":1}'));
    for (const tcbInfo of [twice, more, utf8(`${text}x`)])
      expect(await failures(withEndorsements({ tcbInfo }))).toEqual(["MALFORMED"]);
  });

  it("a revoked PCK, intermediate, or signer of TCB documents", async () => {
    const pckCrl = encodeCrl({ issuer: platformCa, revoked: [100] });
    expect(await failures(withEndorsements({ pckCrl }))).toEqual(["REVOKED"]);
    for (const serial of [2, 4]) {
      const rootCrl = encodeCrl({ issuer: root, revoked: [serial] });
      expect(await failures(withEndorsements({ rootCrl }))).toEqual(["REVOKED"]);
    }
    expect(await failures(withEndorsements({ rootCrl: encodeCrl({ issuer: root, revoked: [100] }) }))).toEqual([]);
  });

  it("CRLs that are stale, foreign, or of another authority", async () => {
    const stale = { nextUpdate: "2026-05-31T00:00:00Z" };
    expect(await failures(withEndorsements({ pckCrl: encodeCrl({ issuer: platformCa, ...stale }) }))).toEqual([
      "COLLATERAL_EXPIRED",
    ]);
    expect(await failures(withEndorsements({ rootCrl: encodeCrl({ issuer: root, ...stale }) }))).toEqual(["COLLATERAL_EXPIRED"]);
    const foreign = encodeCrl({ issuer: platformCa, signer: ecKey("P-256") });
    expect(await failures(withEndorsements({ pckCrl: foreign }))).toEqual(["COLLATERAL_SIGNATURE_INVALID"]);
    expect(await failures(withEndorsements({ rootCrl: encodeCrl({ issuer: platformCa }) }))).toEqual([
      "COLLATERAL_SIGNATURE_INVALID",
    ]);
    const others = { pckCrl: encodeCrl({ issuer: processorCa }), pckCrlChain: [processorCa.der, root.der] };
    expect(await failures(withEndorsements(others))).toEqual(["COLLATERAL_MISMATCH"]);
  });

  it("an empty chain is none: the defaults hold, and what has no default is missing", async () => {
    expect(await failures(withEndorsements({ qeSigningChain: [], pckCrlChain: [] }))).toEqual([]);
    expect(await failures(withEndorsements({ tcbSigningChain: [], qeSigningChain: [] }))).toEqual(["COLLATERAL_MISSING"]);
  });

  it("an expired signer of TCB documents", async () => {
    const expired = issue({
      subject: "Intel SGX TCB Signing",
      key: tdxKeys.tcb,
      issuer: root,
      serial: 5,
      notAfter: "2026-05-31T00:00:00Z",
    });
    expect(await failures(withEndorsements({ tcbSigningChain: [expired.der, root.der] }))).toEqual(["CERT_EXPIRED"]);
    const qe = { qeSigningChain: [expired.der, root.der], tcbSigningChain: [tcbSigner.der, root.der] };
    expect(await failures(withEndorsements(qe))).toEqual(["CERT_EXPIRED"]);
  });
});

describe("event logs of TDX quotes", () => {
  const sha384 = (...parts: readonly Uint8Array[]) =>
    new Uint8Array(
      createHash("sha384")
        .update(concatBytes(...parts))
        .digest(),
    );
  const payload = utf8("digest of the compose file");
  const runtime = sha384(Uint8Array.of(1, 0, 0, 8), utf8(":compose-hash:"), payload);
  const boot = sha384(utf8("boot"));
  const rtmr0 = sha384(new Uint8Array(48), boot);
  const rtmr3 = sha384(new Uint8Array(48), runtime);
  const events = [
    { imr: 0, digest: encodeHex(boot), event_type: 1, event: "", event_payload: "" },
    { imr: 3, digest: encodeHex(runtime), event_type: 0x08000001, event: "compose-hash", event_payload: encodeHex(payload) },
  ];
  const base = tdxQuestion({ body: { 328: [...rtmr0], 472: [...rtmr3] } });
  const withLog = (log: readonly JsonObject[]): Question => ({
    ...base,
    evidence: { ...base.evidence, eventLog: { json: log } },
  });

  it("replay to all four registers", async () => {
    expect(await failures(withLog(events))).toEqual([]);
    const asText = { ...base, evidence: { ...base.evidence, eventLog: utf8(JSON.stringify(events)) } };
    expect(await failures(asText)).toEqual([]);
    expect((await ask(withLog(events))).claims).toMatchObject({ runtimeEvents: [{ imr: 3, event: "compose-hash" }] });
  });

  it.each([
    ["no events", []],
    ["an event left out", events.slice(1)],
    ["RTMR 3 alone", events.slice(1)],
    ["an event twice", [...events, ...events.slice(1)]],
    ["another order", [...events.slice(1), ...events.slice(1), ...events.slice(0, 1)]],
    ["a payload that differs", events.map((event) => ({ ...event, event_payload: event.imr === 3 ? "00" : "" }))],
    ["a name that differs", events.map((event) => ({ ...event, event: event.imr === 3 ? "app-id" : "" }))],
    ["a register that differs", events.map((event) => ({ ...event, imr: event.imr === 3 ? 2 : 0 }))],
  ])("%s: `EVENT_LOG_MISMATCH`", async (_, log) => {
    expect(await failures(withLog(log))).toEqual(["EVENT_LOG_MISMATCH"]);
  });

  it("a log of another form", async () => {
    for (const log of [[{ imr: 4 }], [{ ...events[0], imr: 4 }], [{ ...events[0], digest: "00" }], [{ ...events[0], other: 1 }]])
      expect(await failures(withLog(log as readonly JsonObject[]))).toEqual(["MALFORMED"]);
  });
});
