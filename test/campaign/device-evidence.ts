/**
 * Subjects of the fuzz target `evidence` about devices, services and enclaves: every parser by itself, and the appraisers
 * around them, which accept nothing but what they were given, in a spelling that is free.
 */
import { encodeHex, utf8 } from "../../src/core/bytes.ts";
import { canonicalJson } from "../../src/core/jcs.ts";
import { parseJson } from "../../src/core/json.ts";
import { encodeCborBytes, parseCbor } from "../../src/paths/tee/evidence/nitro/cbor.ts";
import { parseNitroDocument } from "../../src/paths/tee/evidence/nitro/nitro-document.ts";
import { parseDetachedEat } from "../../src/paths/tee/evidence/nras/detached-eat.ts";
import { parseKeySet, parseTokenKey } from "../../src/paths/tee/evidence/nras/key-set.ts";
import { firmwareIdsOf } from "../../src/paths/tee/evidence/nvidia-gpu/firmware-id.ts";
import { parseOcspResponse } from "../../src/paths/tee/evidence/nvidia-gpu/ocsp-response.ts";
import { parseGpuReport } from "../../src/paths/tee/evidence/nvidia-gpu/spdm-report.ts";
import { encodeCanonicalXml } from "../../src/paths/tee/evidence/nvidia-rim/canonical-xml.ts";
import { parseRim, parseRimDocument } from "../../src/paths/tee/evidence/nvidia-rim/rim.ts";
import { parseXml } from "../../src/paths/tee/evidence/nvidia-rim/xml-document.ts";
import { parseCertificate } from "../../src/paths/tee/evidence/x509/certificate.ts";
import { issueChain, leafOf } from "../fixtures/evidence/device-chain.ts";
import { encodeBundle, makeBundle } from "../fixtures/evidence/eat.ts";
import { createGpuWorld, type GpuWorld, gpuQuestion, rimQuestion, STRICT } from "../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose, nitroQuestion, PCRS } from "../fixtures/evidence/nitro.ts";
import { keys, nrasQuestion, signer } from "../fixtures/evidence/nras.ts";
import { AT, answerTo, type Question } from "../fixtures/evidence/question.ts";
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
function appraising(name: string, question: Question, role: string, form: Form): Subject {
  const side = role in question.evidence ? "evidence" : "endorsements";
  const value = question[side][role];
  if (!(value instanceof Uint8Array)) throw new Error(`no example of ${role}`);
  const original = form(value);
  return {
    name,
    examples: [value],
    judge: async (bytes): Promise<Judged> => {
      const { code } = await answerTo({ ...question, [side]: { ...question[side], [role]: bytes } });
      const same = form(bytes) === original;
      if (code === null && !same) return { outcome: "accepted", fault: "accepted: evidence that was changed" };
      if (code !== null && same) return { outcome: code, fault: `refused: a spelling that is free, with ${code}` };
      return { outcome: code ?? "accepted", fault: null };
    },
  };
}

function gpuSubjects(world: GpuWorld): readonly Subject[] {
  const whole = gpuQuestion(world);
  const [ocsp] = world.ocsp;
  if (ocsp === undefined) throw new Error("no OCSP answer");
  const endorsements = { ...whole.endorsements, ocsp };
  const question = { ...whole, endorsements, policy: { ...STRICT, requireRevocation: false } };
  const rims = [world.driverRim, world.vbiosRim];
  return [
    parsing("gpu report", [world.report], parseGpuReport),
    parsing("xml", rims, (bytes) => {
      const form = encodeCanonicalXml(parseXml(bytes), null);
      if (encodeHex(encodeCanonicalXml(parseXml(form), null)) !== encodeHex(form)) {
        throw new Error("the canonical form is not stable");
      }
    }),
    parsing("rim", rims, (bytes) => parseRim(parseRimDocument(bytes).root)),
    parsing("ocsp response", world.ocsp, parseOcspResponse),
    parsing(
      "firmware id",
      world.device.map(({ der }) => der),
      (bytes) => firmwareIdsOf(parseCertificate(bytes)),
    ),
    appraising("gpu report, appraised", question, "report", exact),
    appraising("driver rim, appraised", question, "driverRim", xmlForm),
    appraising("ocsp response, appraised", question, "ocsp", exact),
    appraising("rim, appraised", rimQuestion(world.vbiosRim, world.signers), "rim", xmlForm),
  ];
}

function nrasSubjects(): readonly Subject[] {
  const question = nrasQuestion();
  const eat = encodeBundle(makeBundle(signer));
  const set = utf8(JSON.stringify(keys));
  return [
    parsing("detached eat", [eat], (bytes) => parseDetachedEat(parseJson(bytes))),
    parsing("key set", [set], (bytes) => [...parseKeySet(parseJson(bytes)).values()].map(parseTokenKey)),
    appraising("detached eat, appraised", { ...question, evidence: { eat } }, "eat", jsonForm),
  ];
}

function nitroSubjects(): readonly Subject[] {
  const chain = issueChain(["TEST enclave", "TEST zone", "TEST root"]);
  const members = documentMembers(chain, AT * 1000);
  const document = encodeCose(cborMap(members), leafOf(chain), { tag: true });
  const untagged: Form = (bytes) => encodeHex(bytes[0] === 0xd2 ? bytes.subarray(1) : bytes);
  return [
    parsing("cbor", [cborMap(members), PCRS, encodeCborBytes(document)], parseCbor),
    parsing("nitro document", [document], parseNitroDocument),
    appraising("nitro document, appraised", nitroQuestion(document, chain), "document", untagged),
  ];
}

/** Subjects of GPU reports, RIMs, OCSP answers, attestation services and Nitro documents. */
export function deviceEvidenceSubjects(): readonly Subject[] {
  return [...gpuSubjects(createGpuWorld()), ...nrasSubjects(), ...nitroSubjects()];
}
