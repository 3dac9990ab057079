/** The SDK on `node:crypto`: the same bytes and the same verdicts, at a fraction of the time. */

import type { PathClient } from "../../paths/path.ts";
import { createTeeClient } from "../../paths/tee/client/seal-client.ts";
import { appraiseSession } from "../../paths/tee/evidence/appraise-session.ts";
import { nodeSuites } from "../../paths/tee/sealing/node-suite.ts";
import { useNodePrimitives } from "../../signing/node-primitives.ts";
import { TrisealClient, type TrisealClientOptions } from "../triseal-client.ts";

/** Clients of all shipped paths that seal and open with `node:crypto`, in the order in which they are tried. */
export const nodePathClients: readonly PathClient[] = [createTeeClient({ appraiseSession, suites: nodeSuites })];

/** A client that seals, hashes and verifies with `node:crypto`; from then on the whole process hashes and verifies so. */
export function createNodeClient(options: TrisealClientOptions): TrisealClient {
  useNodePrimitives();
  return new TrisealClient({ pathClients: nodePathClients, ...options });
}
