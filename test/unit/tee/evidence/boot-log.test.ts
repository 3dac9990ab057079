/** Boot logs beside TPM quotes: what they lead to, and every way in which they do not. */
import { describe, expect, it } from "vitest";
import { concatBytes, utf8 } from "../../../../src/core/bytes.ts";
import { type Bank, encodeBootLog, type LogEvent, registersAfter } from "../../../fixtures/evidence/boot-log.ts";
import { ask, failures, flipped, type Question } from "../../../fixtures/evidence/question.ts";
import { tpmQuestion } from "../../../fixtures/evidence/tpm.ts";

const SEPARATOR = { type: 4, data: new Uint8Array(4) };
const EVENTS: readonly LogEvent[] = [
  { register: 0, type: 8, data: utf8("1.0") },
  { register: 4, type: 0x80000003, data: utf8("path of an application"), measured: utf8("its image") },
  { register: 7, type: 0x80000001, data: utf8("SecureBoot=1") },
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((register) => ({ register, ...SEPARATOR })),
  { register: 9, type: 0xd, data: utf8("kernel"), measured: utf8("its image") },
];

/** Registers 0 to 9, and 14, which an application extended after boot. */
function question(log: Uint8Array, values = registersAfter(EVENTS)): Question {
  const extended = values.map((value, index) => (index === 14 ? new Uint8Array(32).fill(0x77) : value));
  const base = tpmQuestion({ selected: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14], values: extended }, extended);
  return { ...base, evidence: { ...base.evidence, eventLog: log } };
}

describe("an accepted boot log", () => {
  it("leads to the registers that it has events for, and to those of the firmware", async () => {
    expect(await failures(question(encodeBootLog(EVENTS)))).toEqual([]);
    expect(await failures(question(encodeBootLog(EVENTS, [11])))).toEqual([]);
    expect(await failures(question(encodeBootLog(EVENTS, [4, 11, 12])))).toEqual([]);
  });

  it("may say from which locality the TPM was started", async () => {
    const locality = { register: 0, type: 3, data: concatBytes(utf8("StartupLocality\0"), Uint8Array.of(3)) };
    const values = registersAfter(EVENTS, (index) => new Uint8Array(32).fill(index === 0 ? 3 : 0, 31));
    expect(await failures(question(encodeBootLog([locality, ...EVENTS]), values))).toEqual([]);
    expect(await failures(question(encodeBootLog(EVENTS), values))).toEqual(["EVENT_LOG_MISMATCH"]);
  });
});

describe("a refused boot log", () => {
  const changed = (at: number, change: Partial<LogEvent>) =>
    EVENTS.map((event, index) => (index === at ? { ...event, ...change } : event));

  it.each<readonly [string, readonly LogEvent[]]>([
    ["no events", []],
    ["an event left out", EVENTS.slice(1)],
    ["events of one register left out", EVENTS.filter(({ register }) => register !== 2)],
    ["an event twice", [...EVENTS, ...EVENTS.slice(-1)]],
    ["another order", [...EVENTS.slice(3), ...EVENTS.slice(0, 3)]],
    ["an image that differs", changed(1, { measured: utf8("another image") })],
    ["an event of another register", changed(1, { register: 5 })],
    [
      "a variable that shows other data than were measured",
      changed(2, { data: utf8("SecureBoot=0"), measured: utf8("SecureBoot=1") }),
    ],
    ["a separator that shows other data than were measured", changed(3, { data: utf8("else"), measured: new Uint8Array(4) })],
  ])("%s: `EVENT_LOG_MISMATCH`", async (_, events) => {
    expect(await failures(question(encodeBootLog(events)))).toEqual(["EVENT_LOG_MISMATCH"]);
  });

  it("of another bank than the quote", async () => {
    for (const banks of [[4], [4, 12]] satisfies Bank[][])
      expect(await failures(question(encodeBootLog(EVENTS, banks)))).toEqual(["EVENT_LOG_MISMATCH"]);
  });

  it("beside registers that the quote does not cover", async () => {
    const values = registersAfter(EVENTS);
    const base = question(encodeBootLog(EVENTS));
    const pcrs = { json: values.map((value) => Buffer.from(value.with(0, 1)).toString("hex")) };
    const { checks } = await ask({ ...base, evidence: { ...base.evidence, pcrs } });
    const codes = checks.filter(({ status }) => status === "fail").map(({ code }) => code);
    expect(codes).toEqual(["EVIDENCE_EVENT_LOG_MISMATCH", "EVIDENCE_MEASUREMENT_MISMATCH"]);
  });

  const log = encodeBootLog(EVENTS);
  it.each<readonly [string, Uint8Array, string]>([
    ["cut", log.slice(0, -1), "MALFORMED"],
    ["with bytes after it", concatBytes(log, Uint8Array.of(0)), "MALFORMED"],
    ["empty", new Uint8Array(), "MALFORMED"],
    ["that does not begin with its identification", flipped(log, 4), "MALFORMED"],
    ["of the older form", encodeBootLog(EVENTS, [4], "Spec ID Event00\0"), "UNSUPPORTED"],
    ["of a register that no TPM has", encodeBootLog([{ register: 24, ...SEPARATOR }]), "MALFORMED"],
    ["larger than is read", new Uint8Array(1024 * 1024 + 1), "MALFORMED"],
  ])("%s", async (_, bytes, code) => {
    expect(await failures(question(bytes))).toEqual([code]);
  });
});
