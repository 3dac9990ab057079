/**
 * Subjects of the fuzz target `evidence` about devices, services and enclaves: their appraisers, which accept nothing but
 * what they were given, in a spelling that is free.
 */
import { encodeHex } from "../../src/core/bytes.ts";
import { canonicalJson } from "../../src/core/jcs.ts";
import { parseJson } from "../../src/core/json.ts";
import { encodeCanonicalXml } from "../../src/paths/tee/evidence/nvidia-rim/canonical-xml.ts";
import { parseRimDocument } from "../../src/paths/tee/evidence/nvidia-rim/rim.ts";
import { issueChain, leafOf } from "../fixtures/evidence/device-chain.ts";
import { createGpuWorld, type GpuWorld, gpuQuestion, rimQuestion, STRICT } from "../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose, nitroQuestion } from "../fixtures/evidence/nitro.ts";
import { nrasQuestion } from "../fixtures/evidence/nras.ts";
import { AT, answerTo, type Question } from "../fixtures/evidence/question.ts";
import type { Judged, Subject } from "./fuzz-target.ts";

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
  return [
    appraising("gpu report, appraised", question, "report", exact),
    appraising("driver rim, appraised", question, "driverRim", xmlForm),
    appraising("ocsp response, appraised", question, "ocsp", exact),
    appraising("rim, appraised", rimQuestion(world.vbiosRim, world.signers), "rim", xmlForm),
  ];
}

function nrasSubjects(): readonly Subject[] {
  const question = nrasQuestion();
  return [appraising("detached eat, appraised", question, "eat", jsonForm)];
}

function nitroSubjects(): readonly Subject[] {
  const chain = issueChain(["TEST enclave", "TEST zone", "TEST root"]);
  const members = documentMembers(chain, AT * 1000);
  const document = encodeCose(cborMap(members), leafOf(chain), { tag: true });
  const untagged: Form = (bytes) => encodeHex(bytes[0] === 0xd2 ? bytes.subarray(1) : bytes);
  return [appraising("nitro document, appraised", nitroQuestion(document, chain), "document", untagged)];
}

/** Appraisals of GPU reports, RIMs, OCSP answers, attestation services and Nitro documents. */
export function deviceAppraisalSubjects(): readonly Subject[] {
  return [...gpuSubjects(createGpuWorld()), ...nrasSubjects(), ...nitroSubjects()];
}
