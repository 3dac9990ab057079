/** Reports of AMD SEV-SNP guests through configfs-tsm. Never run on hardware. */
import { equalBytes } from "../../src/core/bytes.ts";
import type { CollectedRoles, ReportSource } from "./attester.ts";
import { attesterError } from "./attester-error.ts";
import { type CertificateName, parseCertificateTable } from "./certificate-table.ts";
import { readTsmReport, type TsmOptions } from "./configfs-tsm.ts";

const REPORT_BYTES = 1184;
const FLAGS_AT = 0x48;
const REPORT_DATA_AT = 0x50;

/** Which key signed: bits 2 to 4 of the flags (AMD 56860, table 23). */
function signingKey(report: Uint8Array): "vcek" | "vlek" {
  const key = ((report[FLAGS_AT] ?? 0) >> 2) & 7;
  if (key === 0) return "vcek";
  if (key === 1) return "vlek";
  throw attesterError("ATTESTER_MALFORMED", "the report is not signed");
}

function endorsementsOf(report: Uint8Array, table: ReadonlyMap<CertificateName, Uint8Array>): CollectedRoles {
  const signer = signingKey(report);
  const vek = table.get(signer);
  const chain = [table.get("ask"), table.get("ark")].filter((der) => der !== undefined);
  const crl = table.get("crl");
  return new Map<string, Uint8Array | readonly Uint8Array[]>([
    ...(vek === undefined ? [] : [["vek", vek] as const]),
    ...(chain.length === 0 ? [] : [["chain", chain] as const]),
    ...(crl === undefined ? [] : [["crl", crl] as const]),
  ]);
}

/**
 * A source of SEV-SNP reports. Certificates are those that the host placed beside the report: it may have placed none.
 * @throws in `collect`: TrisealError with the codes of `readTsmReport`, `ATTESTER_MISMATCH` where the report is about other data.
 */
export function createSevSnpSource(options: Omit<TsmOptions, "provider"> = {}): ReportSource {
  return {
    type: "sev-snp",
    close: async () => {},
    async collect(reportData, signal) {
      const { outblob, auxblob } = await readTsmReport(reportData, { ...options, provider: "sev_guest" }, signal);
      if (outblob.length !== REPORT_BYTES) throw attesterError("ATTESTER_MALFORMED", `a report of ${outblob.length} bytes`);
      if (!equalBytes(outblob.subarray(REPORT_DATA_AT, REPORT_DATA_AT + 64), reportData)) {
        throw attesterError("ATTESTER_MISMATCH", "the report has other report data");
      }
      return { evidence: new Map([["report", outblob]]), endorsements: endorsementsOf(outblob, parseCertificateTable(auxblob)) };
    },
  };
}
