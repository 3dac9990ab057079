/** What the evidence suite appraises: real cases where they lie beside the repository, and own evidence under a test authority. */
import type { JsonObject } from "../../src/core/json.ts";
import { caseKinds, decodeCaseDocument, readCaseDocument } from "../../src/main/evidence/case-file.ts";
import { judgeCase, unknownKind } from "../../src/main/evidence/judge-case.ts";
import { appraiseGpu, createGpuWorld } from "../../test/fixtures/evidence/gpu.ts";
import { appraise as appraiseNras } from "../../test/fixtures/evidence/nras.ts";
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

function ownWorkloads(): readonly EvidenceWorkload[] {
  const world = createGpuWorld();
  const policy: JsonObject = { requireRim: true, requireRevocation: true, requireFwid: true };
  return [
    {
      name: "GPU report, chain of five, two RIMs, three OCSP answers",
      source: "test authority",
      appraise: async () => (await appraiseGpu(world, { policy })).code,
    },
    { name: "attestation service: two devices", source: "test authority", appraise: async () => (await appraiseNras()).code },
  ];
}

/** All workloads. Real cases are missing where the folder of the vectors is. */
export async function evidenceWorkloads(): Promise<readonly EvidenceWorkload[]> {
  const folder = vectorFolder();
  return [...(folder === null ? [] : await realWorkloads(folder)), ...ownWorkloads()];
}
