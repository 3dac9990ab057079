/**
 * Subjects of the fuzz target `evidence` about devices, services and enclaves: every parser by itself, and the appraisers
 * around them, which accept nothing but what they were given, in a spelling that is free.
 */
import { encodeHex, utf8 } from "../../src/core/bytes.ts";
import { canonicalJson } from "../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import type { EvidenceInputs, EvidenceKind, RoleValue } from "../../src/paths/tee/evidence/appraisal/appraiser.ts";
import { codeOf } from "../../src/paths/tee/evidence/appraisal/findings.ts";
import { nitro } from "../../src/paths/tee/evidence/nitro/appraise.ts";
import { encodeCborBytes, parseCbor } from "../../src/paths/tee/evidence/nitro/cbor.ts";
import { parseNitroDocument } from "../../src/paths/tee/evidence/nitro/nitro-document.ts";
import { nras } from "../../src/paths/tee/evidence/nras/appraise.ts";
import { parseDetachedEat } from "../../src/paths/tee/evidence/nras/detached-eat.ts";
import { parseKeySet, parseTokenKey } from "../../src/paths/tee/evidence/nras/key-set.ts";
import { nvidiaGpu } from "../../src/paths/tee/evidence/nvidia-gpu/appraise.ts";
import { firmwareIdsOf } from "../../src/paths/tee/evidence/nvidia-gpu/firmware-id.ts";
import { parseOcspResponse } from "../../src/paths/tee/evidence/nvidia-gpu/ocsp-response.ts";
import { parseGpuReport } from "../../src/paths/tee/evidence/nvidia-gpu/spdm-report.ts";
import { nvidiaRim } from "../../src/paths/tee/evidence/nvidia-rim/appraise.ts";
import { encodeCanonicalXml } from "../../src/paths/tee/evidence/nvidia-rim/canonical-xml.ts";
import { parseRim, parseRimDocument } from "../../src/paths/tee/evidence/nvidia-rim/rim.ts";
import { parseXml } from "../../src/paths/tee/evidence/nvidia-rim/xml-document.ts";
import { parseCertificate } from "../../src/paths/tee/evidence/x509/certificate.ts";
import { issueChain, leafOf } from "../fixtures/evidence/device-chain.ts";
import { encodeBundle, encodeKeySet, makeBundle, NONCE, TOKEN_AT } from "../fixtures/evidence/eat.ts";
import { AT, createGpuWorld, type GpuWorld, STRICT } from "../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose, PCRS } from "../fixtures/evidence/nitro.ts";
import type { TestCertificate } from "../fixtures/evidence/test-authority.ts";
import type { Judged, Subject } from "./fuzz-target.ts";
import { parsing } from "./verify-parsers.ts";

/** What makes two inputs the same document; null where a strict reader sees none. */
type Form = (bytes: Uint8Array) => string | null;

const exact: Form = encodeHex;

const jsonForm: Form = (bytes) => {
  try {
    return canonicalJson(parseJson(bytes));
  } catch {
    return null;
  }
};

/** The form of a RIM: all of it but how it is spelt. White space in base64 is free. */
const xmlForm: Form = (bytes) => {
  try {
    const { root, signature } = parseRimDocument(bytes);
    if (signature === null) return null;
    const { signedInfo, element, value, certificates } = signature;
    const parts = [encodeCanonicalXml(root, element), encodeCanonicalXml(signedInfo, null), value, ...certificates];
    return parts.map((part) => encodeHex(part)).join(" ");
  } catch {
    return null;
  }
};

/** An appraiser whose role `role` is changed, with everything else as it should be. */
function appraising(
  name: string,
  kind: EvidenceKind,
  policy: JsonObject,
  inputs: EvidenceInputs,
  role: string,
  form: Form,
): Subject {
  const isEvidence = inputs.evidence.has(role);
  const value = (isEvidence ? inputs.evidence : inputs.endorsements).get(role);
  if (!(value instanceof Uint8Array)) throw new Error(`no example of ${role}`);
  const original = form(value);
  const appraise = kind.under(policy);
  const withRole = (roles: ReadonlyMap<string, RoleValue>, bytes: Uint8Array) => new Map([...roles, [role, bytes]]);
  return {
    name,
    examples: [value],
    judge: async (bytes): Promise<Judged> => {
      const changed = isEvidence
        ? { ...inputs, evidence: withRole(inputs.evidence, bytes) }
        : { ...inputs, endorsements: withRole(inputs.endorsements, bytes) };
      const code = codeOf((await appraise(changed)).checks);
      const same = form(bytes) === original;
      if (code === null && !same) return { outcome: "accepted", fault: "accepted: evidence that was changed" };
      if (code !== null && same) return { outcome: code, fault: `refused: a spelling that is free, with ${code}` };
      return { outcome: code ?? "accepted", fault: null };
    },
  };
}

const rootOf = (chain: readonly TestCertificate[]) => chain.slice(-1).map(({ certificate }) => certificate);

function gpuSubjects(world: GpuWorld): readonly Subject[] {
  const inputs: EvidenceInputs = {
    evidence: new Map<string, RoleValue>([
      ["report", world.report],
      ["certChain", world.device.map(({ der }) => der)],
    ]),
    endorsements: new Map<string, RoleValue>([
      ["driverRim", world.driverRim],
      ["vbiosRim", world.vbiosRim],
      ["ocsp", world.ocsp[1] ?? new Uint8Array()],
    ]),
    anchors: [...rootOf(world.device), ...rootOf(world.signers)],
    at: AT,
  };
  const policy = { ...STRICT, requireRevocation: false };
  const rims = [world.driverRim, world.vbiosRim];
  return [
    parsing("gpu report", [world.report], parseGpuReport),
    parsing("xml", rims, (bytes) => {
      const form = encodeCanonicalXml(parseXml(bytes), null);
      if (encodeHex(encodeCanonicalXml(parseXml(form), null)) !== encodeHex(form))
        throw new Error("the canonical form is not stable");
    }),
    parsing("rim", rims, (bytes) => parseRim(parseRimDocument(bytes).root)),
    parsing("ocsp response", world.ocsp, parseOcspResponse),
    parsing(
      "firmware id",
      world.device.map(({ der }) => der),
      (bytes) => firmwareIdsOf(parseCertificate(bytes)),
    ),
    appraising("gpu report, appraised", nvidiaGpu, policy, inputs, "report", exact),
    appraising("driver rim, appraised", nvidiaGpu, policy, inputs, "driverRim", xmlForm),
    appraising("ocsp response, appraised", nvidiaGpu, policy, inputs, "ocsp", exact),
  ];
}

function rimSubject(world: GpuWorld): Subject {
  const evidence = new Map([["rim", world.vbiosRim]]);
  const inputs = { evidence, endorsements: new Map(), anchors: rootOf(world.signers), at: AT };
  return appraising("rim, appraised", nvidiaRim, {}, inputs, "rim", xmlForm);
}

function nrasSubjects(): readonly Subject[] {
  const chain = issueChain(["TEST attestation service", "TEST intermediate"]);
  const eat = encodeBundle(makeBundle(leafOf(chain)));
  const keys = utf8(JSON.stringify(encodeKeySet([chain])));
  const evidence = new Map([["eat", eat]]);
  const inputs = { evidence, endorsements: new Map([["jwks", keys]]), anchors: [], at: unixSeconds(TOKEN_AT) };
  return [
    parsing("detached eat", [eat], (bytes) => parseDetachedEat(parseJson(bytes))),
    parsing("key set", [keys], (bytes) => [...parseKeySet(parseJson(bytes)).values()].map(parseTokenKey)),
    appraising("detached eat, appraised", nras, { nonce: NONCE }, inputs, "eat", jsonForm),
  ];
}

function nitroSubjects(): readonly Subject[] {
  const chain = issueChain(["TEST enclave", "TEST zone", "TEST root"]);
  const members = documentMembers(chain, AT * 1000);
  const document = encodeCose(cborMap(members), leafOf(chain), { tag: true });
  const evidence = new Map([["document", document]]);
  const inputs = { evidence, endorsements: new Map(), anchors: rootOf(chain), at: AT };
  const untagged: Form = (bytes) => encodeHex(bytes[0] === 0xd2 ? bytes.subarray(1) : bytes);
  return [
    parsing("cbor", [cborMap(members), PCRS, encodeCborBytes(document)], parseCbor),
    parsing("nitro document", [document], parseNitroDocument),
    appraising("nitro document, appraised", nitro, {}, inputs, "document", untagged),
  ];
}

/** Subjects of GPU reports, RIMs, OCSP answers, attestation services and Nitro documents. */
export function deviceEvidenceSubjects(): readonly Subject[] {
  const world = createGpuWorld();
  return [...gpuSubjects(world), rimSubject(world), ...nrasSubjects(), ...nitroSubjects()];
}
