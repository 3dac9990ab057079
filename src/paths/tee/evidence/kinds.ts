/** The list of kinds of evidence, by the name that cases, trust files and packages say. */
import type { EvidenceKind } from "./appraisal/appraiser.ts";
import { azureSnpVtpm, azureTdxVtpm } from "./azure/kinds.ts";
import { nitro } from "./nitro/kind.ts";
import { nras } from "./nras/kind.ts";
import { nvidiaGpu } from "./nvidia-gpu/kind.ts";
import { nvidiaRim } from "./nvidia-rim/kind.ts";
import { sevSnp } from "./sev-snp/kind.ts";
import { tdx } from "./tdx/kind.ts";
import { tpm2, tpm2Simulated } from "./tpm2/kinds.ts";

/** Every kind of evidence that can be appraised on its own. A new kind is one line here. */
export const evidenceKinds: readonly EvidenceKind[] = [
  sevSnp,
  tdx,
  nvidiaGpu,
  nvidiaRim,
  nras,
  nitro,
  tpm2,
  tpm2Simulated,
  azureSnpVtpm,
  azureTdxVtpm,
];

/** The kind of that name, or null where this version has none. */
export function kindOf(name: string): EvidenceKind | null {
  return evidenceKinds.find(({ kind }) => kind === name) ?? null;
}
