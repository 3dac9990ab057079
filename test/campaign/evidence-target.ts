/** The fuzz target `evidence`: every parser of hardware evidence, and the appraisers around them. */
import { deviceEvidenceSubjects } from "./device-evidence.ts";
import type { FuzzTarget, Subject } from "./fuzz-target.ts";

/** No case of these sizes takes a tenth of this on an idle machine. */
const CASE_TIMEOUT_MS = 10_000;
/** A parser is fed so many times as often as an appraiser, which verifies a dozen signatures a case. */
const PARSER_SHARE = 40;

const isParser = ({ name }: Subject): boolean => !name.endsWith(", appraised");

/** The target. */
export const evidenceTarget: FuzzTarget = {
  name: "evidence",
  open: async () => {
    const subjects = deviceEvidenceSubjects();
    return {
      subjects: subjects.flatMap((subject) => Array.from({ length: isParser(subject) ? PARSER_SHARE : 1 }, () => subject)),
      concurrency: 1,
      caseTimeoutMs: CASE_TIMEOUT_MS,
      inspect: async () => null,
      numbers: () => ({ rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }),
      close: async () => undefined,
    };
  },
};
