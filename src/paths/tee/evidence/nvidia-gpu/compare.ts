/** Compares a GPU report with the golden measurements of its RIMs. */
import { equalBytes } from "../../../../core/bytes.ts";
import type { Findings } from "../appraisal/findings.ts";
import type { GoldenMeasurement, Rim } from "../nvidia-rim/rim.ts";
import type { GpuReport } from "./spdm-report.ts";

/** The measurement of the first video decoder's firmware: it counts only where that decoder is not disabled. */
const NVDEC0_INDEX = 35;

/** The RIMs of one report, as far as their signatures hold. */
export interface Rims {
  readonly driver: Rim | null;
  readonly vbios: Rim | null;
}

const active = (rim: Rim): readonly GoldenMeasurement[] => rim.measurements.filter((item) => item.active);

function matches(report: GpuReport, { index, values }: GoldenMeasurement): boolean {
  if (index === NVDEC0_INDEX && report.nvdec0 === "disabled") return true;
  const measured = report.measurements.get(index + 1);
  return measured !== undefined && values.some((value) => equalBytes(value, measured));
}

function list(measurements: readonly GoldenMeasurement[]): string {
  return measurements.map(({ index }) => index).join(", ");
}

/**
 * Records `collateral.matches`: driver and VBIOS RIM have no active index in common; and `measurement.matches`: each RIM is
 * for the report's version, and each active measurement is one of its golden values. RIM index i is SPDM block i + 1.
 */
export function compareWithRims(report: GpuReport, { driver, vbios }: Rims, findings: Findings): void {
  if (driver !== null && vbios !== null) {
    const claimed = new Set(active(driver).map(({ index }) => index));
    const both = active(vbios).filter(({ index }) => claimed.has(index));
    findings.expect("collateral.matches", both.length === 0, both.length === 0 ? "RIMs" : `both RIMs at index ${list(both)}`);
  }
  if (driver !== null)
    findings.expect("measurement.matches", driver.version === report.driverVersion, "version of the driver RIM");
  if (vbios !== null) {
    const isSame = vbios.version.toUpperCase() === report.vbiosVersion;
    findings.expect("measurement.matches", isSame, "version of the VBIOS RIM");
  }
  for (const [name, rim] of Object.entries({ driver, VBIOS: vbios })) {
    if (rim === null) continue;
    const different = active(rim).filter((golden) => !matches(report, golden));
    const detail = different.length === 0 ? `golden values of the ${name} RIM` : `${name} RIM, index ${list(different)}`;
    findings.expect("measurement.matches", different.length === 0, detail);
  }
}
