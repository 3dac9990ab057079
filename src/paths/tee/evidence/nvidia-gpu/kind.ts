/** The kind `nvidia-gpu`, apart from what appraises it, which is loaded with the first report. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import type { EvidenceCheckId } from "../appraisal/evidence-checks.ts";
import { rimRoots } from "../nvidia-rim/roots.ts";
import { parseGpuPolicy } from "./policy.ts";
import { deviceRoots } from "./roots.ts";

/** Checks without which no report is accepted; where the policy lets a RIM or an OCSP answer be absent, skipped ones. */
const MUST_PASS = [
  "evidence.well-formed",
  "collateral.present",
  "chain.trusted",
  "chain.begun",
  "chain.unexpired",
  "collateral.signed",
  "collateral.current",
  "chain.unrevoked",
  "evidence.signed",
  "firmware.matches",
  "rim.signed",
  "rim.current",
  "nonce.matches",
  "measurement.matches",
] as const satisfies readonly EvidenceCheckId[];

/** Reports of NVIDIA Hopper and Blackwell GPUs, by SPDM 1.1. */
export const nvidiaGpu = evidenceKind({
  kind: "nvidia-gpu",
  evidenceRoles: ["report", "certChain"],
  endorsementRoles: ["driverRim", "vbiosRim", "ocsp"],
  roots: () => [...deviceRoots(), ...rimRoots()],
  parsePolicy: parseGpuPolicy,
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraise(inputs, policy),
  mustPass: MUST_PASS,
});
