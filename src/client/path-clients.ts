/** The paths that this SDK can seal for: one line each. */
import type { PathClient } from "../paths/path.ts";
import { createTeeClient } from "../paths/tee/client/seal-client.ts";
import { appraiseSession } from "../paths/tee/evidence/appraise-session.ts";

/** Clients of all shipped paths, in the order in which they are tried. */
export const defaultPathClients: readonly PathClient[] = [createTeeClient({ appraiseSession })];
