/**
 * Readers of our own documents about evidence, and of what a platform hands to an attester, for the fuzz target
 * `evidence-parsers`.
 */
import { parseCertificateTable } from "../../enclave/attester/certificate-table.ts";
import { ATTESTATION_TEMPLATE, ENDORSEMENT_TEMPLATE, parsePublicArea } from "../../enclave/attester/tpm2/tpm2-key.ts";
import { EMPTY_PASSWORD, parseResponse } from "../../enclave/attester/tpm2/tpm2-wire.ts";
import { encodeHex, parseHex, utf8 } from "../../src/core/bytes.ts";
import { parseDigest } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { parseCompositePolicy } from "../../src/paths/tee/evidence/composite/appraise.ts";
import { parseNitroPolicy } from "../../src/paths/tee/evidence/nitro/policy.ts";
import { parseNrasPolicy } from "../../src/paths/tee/evidence/nras/policy.ts";
import { parseGpuPolicy } from "../../src/paths/tee/evidence/nvidia-gpu/policy.ts";
import { readReference, signReference } from "../../src/paths/tee/evidence/platform/reference-values.ts";
import { parseSnpPolicy } from "../../src/paths/tee/evidence/sev-snp/policy.ts";
import { parseTdxPolicy } from "../../src/paths/tee/evidence/tdx/policy.ts";
import { parseTpmPolicy } from "../../src/paths/tee/evidence/tpm2/policy.ts";
import { parseTeeTrust } from "../../src/paths/tee/evidence/trust-section.ts";
import { encodePlatformEvidence, parsePlatformEvidence } from "../../src/paths/tee/wire/platform-evidence.ts";
import { encodeEnrolment, parseEnrolment } from "../../src/paths/tee/wire/tpm-enrolment.ts";
import { certificateTable, GUIDS } from "../fixtures/attester/fake-tsm.ts";
import { snpEntry } from "../fixtures/evidence/worker-hardware.ts";
import { testSigner } from "../fixtures/signer.ts";
import type { Subject } from "./fuzz-target.ts";
import { parsing } from "./verify-parsers.ts";

const DIGEST = `sha256:${"0".repeat(64)}` as const;

/** A policy's reader: what is no JSON object does not reach it. */
function policySubject(name: string, example: JsonObject, parse: (policy: JsonObject) => unknown): Subject {
  return parsing(name, [encodeJcs(example)], (body) => parse(parseJson(body) as JsonObject));
}

function policySubjects(): readonly Subject[] {
  return [
    policySubject("snp policy", { vmpl: 0, minimumTcb: { snp: 1 }, measurements: { measurement: ["00"] } }, parseSnpPolicy),
    policySubject("tdx policy", { requireCollateral: true, measurements: { mrtd: "00" }, trailing: "any" }, parseTdxPolicy),
    policySubject("tpm policy", { requireAkBinding: true, nonce: "00", pcrs: { 0: ["00"] } }, parseTpmPolicy),
    policySubject("gpu policy", { requireRim: true, nonce: "00", driverVersion: "1.2" }, parseGpuPolicy),
    policySubject("nras policy", { nonce: "00", requireDistinctDevices: true }, parseNrasPolicy),
    policySubject("nitro policy", { nonce: "00", measurements: { pcr0: ["00"] } }, parseNitroPolicy),
    policySubject(
      "composite policy",
      { nonce: "00", digests: { a: "b" }, reportDataBinding: [{ offset: 0, sha256: ["a"] }] },
      parseCompositePolicy,
    ),
  ];
}

const roles = (name: string) => new Map([[name, utf8("bytes")]]);

function ownSubjects(): readonly Subject[] {
  const enrolment = {
    type: "tpm2",
    attestationKey: parseDigest(DIGEST),
    name: `000b${"0".repeat(64)}`,
    endorsementKey: parseDigest(DIGEST),
    notBefore: 1,
    notAfter: 2,
  } as const;
  const registers = { measurement: "aa".repeat(48) };
  const evidence = [{ type: "sev-snp", measurements: [{ registers }], tcb: { snp: 1 }, devices: ["a"] }];
  const withdrawn = [{ value: "aa", reason: "b" }];
  const devices = [{ kind: "nvidia-gpu", evidence: roles("report"), endorsements: new Map() }];
  const section = { evidence: [snpEntry()], workers: [{ digest: DIGEST }], models: [{ name: "m", digest: DIGEST }], withdrawn };
  const signer = testSigner("reference", 77);
  return [
    parsing(
      "platform evidence",
      [encodePlatformEvidence({ evidence: roles("report"), endorsements: roles("vek"), devices })],
      parsePlatformEvidence,
    ),
    parsing("enrolment", [encodeEnrolment(enrolment, testSigner("enroller", 78))], parseEnrolment),
    parsing("reference values", [signReference({ name: "build 7", issuedAt: 1, evidence, withdrawn }, signer)], (bytes) =>
      readReference(parseJson(bytes), "reference"),
    ),
    parsing("trust section", [encodeJcs(section)], (bytes) => parseTeeTrust(parseJson(bytes) as JsonObject)),
  ];
}

function attesterSubjects(): readonly Subject[] {
  const table = certificateTable([
    [GUIDS.vcek, utf8("vcek")],
    [GUIDS.ask, utf8("ask")],
  ]);
  // An answer to a command with one session: its header, four bytes of parameters, the session's acknowledgement.
  const response = parseHex("8002000000170000000000000004" + "61626364" + "0000010000");
  const command = { code: 0x158, handles: [1], authorisations: [EMPTY_PASSWORD] };
  return [
    parsing("certificate table", [table], parseCertificateTable),
    parsing("tpm response", [response], (bytes) => encodeHex(parseResponse(bytes, command).parameters)),
    parsing("tpm public area", [ATTESTATION_TEMPLATE, ENDORSEMENT_TEMPLATE], parsePublicArea),
  ];
}

/** A subject for every reader of policies, trust sections, reference values, enrolments, and of answers of a platform. */
export function documentParserSubjects(): readonly Subject[] {
  return [...policySubjects(), ...ownSubjects(), ...attesterSubjects()];
}
