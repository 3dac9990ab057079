/** The fhe path of a gateway without an engine: its addresses say so, and nothing else is there. */
import { TrisealError } from "../../../core/errors.ts";
import type { InferencePath, ResourceRoute } from "../../path.ts";
import { MAX_RUN_BYTES } from "../wire/run.ts";

const ADDRESSES = ["keys", "accounts", "programs", "blobs", "crs", "challenges", "run"];

function absentRoute(address: string, reason: string): ResourceRoute {
  return {
    kind: "resource",
    address,
    methods: ["GET", "POST", "PATCH"],
    maxBodyBytes: MAX_RUN_BYTES,
    headers: [],
    answer: () => Promise.reject(new TrisealError("PATH_UNAVAILABLE", reason)),
  };
}

/** @param reason one line: what is missing. */
export function createAbsentFhePath(reason: string): InferencePath {
  return {
    id: "fhe",
    attestedUpstream: false,
    sealed: null,
    confirmer: null,
    routes: ADDRESSES.map((address) => absentRoute(address, reason)),
    models: () => [],
    backends: () => [],
    ready: async () => ({ ready: false, reason }),
    infer: () => Promise.reject(new TrisealError("PATH_UNAVAILABLE", reason)),
    contradicted: () => undefined,
    sessions: () => [],
    close: async () => undefined,
  };
}
