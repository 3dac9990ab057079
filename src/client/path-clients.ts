/** The paths that this SDK can seal for: one line each. */
import type { PathClient } from "../paths/path.ts";
import { teeClient } from "../paths/tee/client/tee-client.ts";

/** Clients of all shipped paths, in the order in which they are tried. */
export const defaultPathClients: readonly PathClient[] = [teeClient];
