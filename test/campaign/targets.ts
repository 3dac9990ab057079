/** The list of fuzz targets. A new target is one entry here. */
import { evidenceParsersTarget } from "./evidence-parsers.ts";
import { evidenceTarget } from "./evidence-target.ts";
import { fheTarget } from "./fhe-target.ts";
import type { FuzzTarget } from "./fuzz-target.ts";
import { httpTarget } from "./http-target.ts";
import { verifyTarget } from "./verify-target.ts";
import { zkTarget } from "./zk-target.ts";

/** All targets, by the name that the command line takes. */
export const fuzzTargets: readonly FuzzTarget[] = [
  evidenceTarget,
  evidenceParsersTarget,
  fheTarget,
  httpTarget,
  verifyTarget,
  zkTarget,
];
