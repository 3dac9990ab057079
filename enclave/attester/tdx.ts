/** Quotes of Intel TDX guests through configfs-tsm. Never run on hardware. */
import { equalBytes } from "../../src/core/bytes.ts";
import type { ReportSource } from "./attester.ts";
import { attesterError } from "./attester-error.ts";
import { readTsmReport, type TsmOptions } from "./configfs-tsm.ts";

const HEADER_BYTES = 48;
const REPORT_DATA_IN_BODY = 520;
/** Version 5 has type and size of the body before it. */
const BODY_PREFIX_BYTES = 6;

function reportDataAt(quote: Uint8Array): number {
  const version = (quote[0] ?? 0) | ((quote[1] ?? 0) << 8);
  if (version === 4) return HEADER_BYTES + REPORT_DATA_IN_BODY;
  if (version === 5) return HEADER_BYTES + BODY_PREFIX_BYTES + REPORT_DATA_IN_BODY;
  throw attesterError("ATTESTER_MALFORMED", `a quote of version ${version}`);
}

/**
 * A source of TDX quotes. The collateral (TCB info, QE identity, CRLs) is Intel's service's to give: a guest has none.
 * @throws in `collect`: TrisealError with the codes of `readTsmReport`, `ATTESTER_MISMATCH` where the quote is about other data.
 */
export function createTdxSource(options: Omit<TsmOptions, "provider" | "privilegeLevel"> = {}): ReportSource {
  return {
    type: "tdx",
    close: async () => {},
    async collect(reportData, signal) {
      const { outblob } = await readTsmReport(reportData, { ...options, provider: "tdx_guest" }, signal);
      const at = reportDataAt(outblob);
      if (outblob.length < at + 64) throw attesterError("ATTESTER_MALFORMED", "a quote that is cut");
      if (!equalBytes(outblob.subarray(at, at + 64), reportData)) {
        throw attesterError("ATTESTER_MISMATCH", "the quote has other report data");
      }
      return { evidence: new Map([["quote", outblob]]), endorsements: new Map() };
    },
  };
}
