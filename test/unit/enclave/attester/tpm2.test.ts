/** Quotes of a real TPM in software (swtpm), over its own wire format, enrolled and appraised. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CollectedEvidence, ReportSource } from "../../../../enclave/attester/attester.ts";
import {
  challengeTpm,
  confirmEnrolment,
  type EnrolmentRequest,
  endorsementKeyOf,
  openCredential,
  requestEnrolment,
} from "../../../../enclave/attester/tpm2/enrol.ts";
import { createTpmSource, type TpmSourceOptions } from "../../../../enclave/attester/tpm2/tpm2.ts";
import { openTpmSocket } from "../../../../enclave/attester/tpm2/tpm2-channel.ts";
import { Tpm } from "../../../../enclave/attester/tpm2/tpm2-device.ts";
import { encodeHex, parseUtf8, utf8 } from "../../../../src/core/bytes.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import { tpm2, tpm2Simulated } from "../../../../src/paths/tee/evidence/tpm2/kinds.ts";
import { createSigner, importSeed } from "../../../../src/signing/ed25519-signer.ts";
import { hasSwtpm, type Swtpm, startSwtpm } from "../../../fixtures/attester/swtpm.ts";
import { AT, answerTo } from "../../../fixtures/evidence/question.ts";

const never = new AbortController().signal;
const REPORT_DATA = new Uint8Array(64).fill(0x77, 0, 32);
const NONCE = encodeHex(REPORT_DATA.subarray(0, 32));
const enroller = createSigner("enroller", importSeed(new Uint8Array(32).fill(9)));
const stranger = createSigner("stranger", importSeed(new Uint8Array(32).fill(8)));

describe.skipIf(!hasSwtpm)("a TPM in software", () => {
  let swtpm: Swtpm;
  let source: ReportSource;
  let collected: CollectedEvidence;
  let request: EnrolmentRequest;
  const enrolments = new Map<string, Uint8Array>();

  const optionsFor = (type: TpmSourceOptions["type"]): TpmSourceOptions => ({
    type,
    openChannel: async () => await openTpmSocket(swtpm.socket),
    readBootLog: null,
    readEnrolment: null,
  });

  beforeAll(async () => {
    swtpm = await startSwtpm();
    const channel = await openTpmSocket(swtpm.socket);
    const tpm = new Tpm(channel);
    await tpm.startUp(never);
    for (const [name, signer, type, dates] of [
      ["enroller", enroller, "tpm2-simulated", [AT - 10, AT + 10]],
      ["hardware", enroller, "tpm2", [AT - 10, AT + 10]],
      ["stranger", stranger, "tpm2-simulated", [AT - 10, AT + 10]],
      ["over", enroller, "tpm2-simulated", [AT - 10, AT - 1]],
      ["early", enroller, "tpm2-simulated", [AT + 1, AT + 10]],
    ] as const) {
      request = await requestEnrolment(tpm, never);
      const { credential, pending } = challengeTpm(request, new Set([endorsementKeyOf(request)]));
      const answer = await openCredential(tpm, credential, never);
      const options = { signer, type, notBefore: dates[0], notAfter: dates[1] };
      expect(() => confirmEnrolment(pending, answer.with(0, (answer[0] ?? 0) ^ 1), options)).toThrow(
        expect.objectContaining({ code: "ATTESTER_MISMATCH" }),
      );
      enrolments.set(name, confirmEnrolment(pending, answer, options));
    }
    await channel.close();
    source = createTpmSource(optionsFor("tpm2-simulated"));
    collected = await source.collect(REPORT_DATA, never);
  });
  afterAll(async () => {
    await source.close();
    await swtpm.stop();
  });

  async function codeOf(enrolment: Uint8Array | null, policy: JsonObject, kind = tpm2Simulated): Promise<string | null> {
    const question = {
      kind,
      evidence: Object.fromEntries(collected.evidence),
      endorsements: enrolment === null ? {} : { enrolment },
      policy,
      anchors: [],
    };
    return (await answerTo(question)).code;
  }
  const trusting = { nonce: NONCE, enrollers: [enroller.publicKey] };

  it.each<readonly [string, string | null, JsonObject, string]>([
    ["no statement", null, trusting, "EVIDENCE_KEY_BINDING_INVALID"],
    ["a statement while no enroller is named", "enroller", { nonce: NONCE }, "EVIDENCE_CHAIN_UNTRUSTED"],
    ["a statement of a stranger", "stranger", trusting, "EVIDENCE_CHAIN_UNTRUSTED"],
    ["a statement that is over", "over", trusting, "EVIDENCE_COLLATERAL_EXPIRED"],
    ["a statement that is not yet", "early", trusting, "EVIDENCE_COLLATERAL_EXPIRED"],
    ["a statement for another type of evidence", "hardware", trusting, "EVIDENCE_KEY_BINDING_INVALID"],
    ["another nonce", "enroller", { ...trusting, nonce: "00".repeat(32) }, "EVIDENCE_NONCE_MISMATCH"],
    ["another register", "enroller", { ...trusting, pcrs: { "7": "11".repeat(32) } }, "EVIDENCE_MEASUREMENT_MISMATCH"],
  ])("%s is refused", async (_, name, policy, code) => {
    expect(await codeOf(name === null ? null : (enrolments.get(name) ?? null), policy)).toBe(code);
  });

  it("a statement that was changed is refused, and one that does not parse", async () => {
    const text = parseUtf8(enrolments.get("enroller") ?? new Uint8Array());
    const later = utf8(text.replace(String(AT + 10), String(AT + 11)));
    expect(await codeOf(later, trusting)).toBe("EVIDENCE_COLLATERAL_SIGNATURE_INVALID");
    expect(await codeOf(utf8(text.slice(1)), trusting)).toBe("EVIDENCE_MALFORMED");
    expect(await codeOf(utf8(text.replace("{", '{"x":1,')), trusting)).toBe("EVIDENCE_MALFORMED");
  });

  it("software's quote is none of hardware, with the enroller's own statement too", async () => {
    expect(await codeOf(enrolments.get("enroller") ?? null, trusting, tpm2)).toBe("EVIDENCE_KEY_BINDING_INVALID");
    const other = await startSwtpm();
    // A TPM behind the kernel has been started.
    const channel = await openTpmSocket(other.socket);
    await new Tpm(channel).startUp(never);
    const claiming = createTpmSource({ ...optionsFor("tpm2"), openChannel: async () => channel });
    await expect(claiming.collect(REPORT_DATA, never)).rejects.toMatchObject({ code: "ATTESTER_SIMULATED" });
    await other.stop();
  });

  it("an enrolled key's quote is accepted, and quotes follow each other on one connection", async () => {
    expect(await codeOf(enrolments.get("enroller") ?? null, { ...trusting, pcrs: { "7": "00".repeat(32) } })).toBeNull();
    const all = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => await source.collect(REPORT_DATA.with(0, index), never)),
    );
    expect(new Set(all.map(({ evidence }) => encodeHex(evidence.get("quote") as Uint8Array).slice(0, 120))).size).toBe(5);
    expect(all.map(({ evidence }) => evidence.get("akPublic"))).toEqual(all.map(() => collected.evidence.get("akPublic")));
  });

  it("report data that do not fit are refused, not cut", async () => {
    const code = "ATTESTER_FAILED";
    await expect(source.collect(REPORT_DATA.with(63, 1), never)).rejects.toMatchObject({ code });
    await expect(source.collect(REPORT_DATA.subarray(0, 32), never)).rejects.toMatchObject({ code });
  });

  it("an enroller challenges no TPM that it does not know, and no key that could sign anything", () => {
    const known = new Set([endorsementKeyOf(request)]);
    const code = (changed: Partial<EnrolmentRequest>, knows: typeof known = known) => {
      try {
        challengeTpm({ ...request, ...changed }, knows);
        return null;
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    const unrestricted = request.attestationArea.with(5, 0x04);
    expect(code({}, new Set())).toBe("ATTESTER_MISMATCH");
    expect(code({ attestationArea: unrestricted })).toBe("ATTESTER_MISMATCH");
    expect(code({ attestationArea: request.endorsementArea })).toBe("ATTESTER_MISMATCH");
    expect(code({ attestationArea: request.attestationArea.subarray(1) })).toBe("ATTESTER_MALFORMED");
    expect(code({})).toBeNull();
  });

  it("a credential opens for its own key and in its own TPM only", async () => {
    const other = await startSwtpm();
    const channel = await openTpmSocket(other.socket);
    const tpm = new Tpm(channel);
    await tpm.startUp(never);
    const { credential } = challengeTpm(request, new Set([endorsementKeyOf(request)]));
    for (let times = 0; times < 4; times++) {
      await expect(openCredential(tpm, credential, never)).rejects.toMatchObject({ code: "ATTESTER_FAILED" });
    }
    await channel.close();
    await other.stop();
  });

  it("a key off the curve gets no credential", () => {
    const off = request.endorsementArea.with(-1 + request.endorsementArea.length, (request.endorsementArea.at(-1) ?? 0) ^ 1);
    const known = new Set([endorsementKeyOf({ endorsementArea: off })]);
    expect(() => challengeTpm({ ...request, endorsementArea: off }, known)).toThrow(
      expect.objectContaining({ code: "ATTESTER_MALFORMED" }),
    );
  });
});
