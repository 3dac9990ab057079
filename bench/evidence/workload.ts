/** What the evidence suite appraises: real cases where they lie beside the repository, and own evidence under a test authority. */
import type { JsonObject } from "../../src/core/json.ts";
import { caseKinds, decodeCaseDocument, type EvidenceCase, readCaseDocument } from "../../src/main/evidence/case-file.ts";
import { judgeCase, unknownKind } from "../../src/main/evidence/judge-case.ts";
import { COMPOSITE, CPU } from "../../src/paths/tee/evidence/composite/appraise.ts";
import { appraiseGpu, createGpuWorld, gpuQuestion } from "../../test/fixtures/evidence/gpu.ts";
import { appraise as appraiseNras } from "../../test/fixtures/evidence/nras.ts";
import { AT, type Question } from "../../test/fixtures/evidence/question.ts";
import { snpQuestion } from "../../test/fixtures/evidence/snp.ts";
import { vectorCases, vectorFolder } from "../../test/fixtures/evidence/vectors.ts";

/** One appraisal, from bytes to verdict. Resolves to its code, null for accepted. */
export interface EvidenceWorkload {
  readonly name: string;
  readonly source: string;
  readonly appraise: () => Promise<string | null>;
}

/** Accepted cases, by id, with what they are. */
const REAL: Readonly<Record<string, string>> = {
  "sev-snp/ms-milan-accept": "SEV-SNP report, VCEK chain",
  "tdx/phala-accept": "TDX quote, full DCAP collateral",
  "nvidia-gpu/nvat-hopper-accept": "GPU report, chain of five",
  "nvidia-gpu/go-nvtrust-full-accept": "GPU report, chain of five, two RIMs",
  "nvidia-rim/rim-550-144-accept": "one RIM",
  "nitro/veracruz-accept": "Nitro document",
  "azure-snp-vtpm/azure-v2-nonce-accept": "Azure SNP with vTPM quote",
  "composite/snp-two-gpus-unbound": "composite: SNP and two GPUs, no RIM",
};

async function realWorkloads(folder: string): Promise<readonly EvidenceWorkload[]> {
  const workloads: EvidenceWorkload[] = [];
  for (const { id, file } of vectorCases(folder)) {
    const name = REAL[id];
    const document = await readCaseDocument(file);
    if (name === undefined || unknownKind(caseKinds(document)) !== null) continue;
    const question = await decodeCaseDocument(document, file);
    workloads.push({ name, source: id, appraise: async () => (await judgeCase(question)).code });
  }
  return workloads;
}

const roles = (side: Question["evidence"]) => new Map(Object.entries(side));

/** A whole platform: a report with its chain and CRL, and two GPUs, each with its manifests and OCSP answers. */
function compositeWorkload(): EvidenceWorkload {
  const parts = [snpQuestion(), gpuQuestion(createGpuWorld()), gpuQuestion(createGpuWorld())].map(
    ({ kind, evidence, endorsements, policy, anchors }) => ({
      anchors,
      part: { kind: kind.kind, evidence: roles(evidence), endorsements: roles(endorsements), policy },
    }),
  );
  const [cpu, ...gpus] = parts.map(({ part }) => part);
  if (cpu === undefined) throw new Error("no CPU");
  const question: EvidenceCase = {
    id: "composite",
    kind: COMPOSITE,
    evidence: new Map(),
    endorsements: new Map(),
    policy: { requireDistinctDevices: true },
    anchors: parts.flatMap(({ anchors }) => anchors),
    at: AT,
    components: new Map([[CPU, cpu], ...gpus.map((gpu, index) => [`gpu${index}`, gpu] as const)]),
  };
  return {
    name: "composite: SNP and two GPUs, each with two RIMs and three OCSP answers",
    source: "test authority",
    appraise: async () => (await judgeCase(question)).code,
  };
}

function ownWorkloads(): readonly EvidenceWorkload[] {
  const world = createGpuWorld();
  const policy: JsonObject = { requireRim: true, requireRevocation: true, requireFwid: true };
  return [
    {
      name: "GPU report, chain of five, two RIMs, three OCSP answers",
      source: "test authority",
      appraise: async () => (await appraiseGpu(world, { policy })).code,
    },
    compositeWorkload(),
    { name: "attestation service: two devices", source: "test authority", appraise: async () => (await appraiseNras()).code },
  ];
}

/** All workloads. Real cases are missing where the folder of the vectors is. */
export async function evidenceWorkloads(): Promise<readonly EvidenceWorkload[]> {
  const folder = vectorFolder();
  return [...(folder === null ? [] : await realWorkloads(folder)), ...ownWorkloads()];
}
