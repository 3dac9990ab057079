/** The adversary's list, in the order of the table of `SECURITY.md`. */
import { decisionWays } from "./decision-ways.ts";
import { fheWays } from "./fhe-ways.ts";
import { logWays } from "./log-ways.ts";
import { parseWays } from "./parse-ways.ts";
import { readerWays } from "./reader-ways.ts";
import { sdkWays } from "./sdk-ways.ts";
import { teeWays } from "./tee-ways.ts";
import type { Way } from "./way.ts";
import { zkWays } from "./zk-ways.ts";

/** All ways. */
export const ways: readonly Way[] = [
  ...logWays,
  ...decisionWays,
  ...parseWays,
  ...readerWays,
  ...teeWays,
  ...zkWays,
  ...fheWays,
  ...sdkWays,
];
