/** The paths that this SDK can seal for: one line each. */
import type { ErrorTable } from "../core/errors.ts";
import { codes as fheCodes } from "../paths/fhe/client/fhe-service.ts";
import type { PathClient } from "../paths/path.ts";
import { teeClient } from "../paths/tee/client/tee-client.ts";
import { codes as zkCodes } from "../paths/zk/client/caller-proofs.ts";

/** Clients of all shipped paths, in the order in which they are tried. */
export const defaultPathClients: readonly PathClient[] = [teeClient];

/** Codes of paths that nothing is sealed for. */
export const clearPathCodes: readonly ErrorTable[] = [zkCodes, fheCodes];
