import type { EvidenceKind } from "./appraisal/appraiser.ts";
import { azureSnpVtpm, azureTdxVtpm } from "./azure/appraise.ts";
import { sevSnp } from "./sev-snp/appraise.ts";
import { tdx } from "./tdx/appraise.ts";
import { tpm2 } from "./tpm2/appraise.ts";

/** Every kind of evidence that can be appraised on its own. A new kind is one line here. */
export const evidenceKinds: readonly EvidenceKind[] = [sevSnp, tdx, tpm2, azureSnpVtpm, azureTdxVtpm];

/** The kind of that name, or null where this version has none. */
export function kindOf(name: string): EvidenceKind | null {
  return evidenceKinds.find(({ kind }) => kind === name) ?? null;
}
