/** Drafts of trust files: what a service says about itself, for a person to check before anyone relies on it. */
import { stringify } from "yaml";
import type { JsonObject } from "../core/json.ts";

/** What a service says about itself. Nothing here is authenticated. */
export interface ServiceHints {
  readonly gatewayKeys: readonly string[];
  readonly teeType: string;
  readonly dev: boolean;
  readonly log: { readonly origin: string; readonly publicKeys: readonly string[] };
  readonly witnesses: {
    readonly quorum: number;
    readonly keys: readonly { readonly name: string; readonly publicKey: string }[];
  };
  readonly policySigners: readonly { readonly publicKey: string; readonly minSequence: number }[];
  readonly revokedKeys?: readonly { readonly publicKey: string; readonly because: string }[];
  /** Per path: the section of the trust file. */
  readonly paths: Readonly<Record<string, JsonObject>>;
}

/** The entry about the simulated platforms that one service shows; none where it shows none. */
export function simulatedEvidence(platformKeys: readonly string[], because: string): readonly JsonObject[] {
  return platformKeys.length === 0 ? [] : [{ type: "simulated", platformKeys, because }];
}

/** The evidence, worker builds and models that one tee service shows, as a trust section. */
export function teeSection(shown: {
  readonly evidence: readonly JsonObject[];
  readonly workers: readonly string[];
  readonly models: readonly { readonly name: string; readonly digest: string }[];
}): JsonObject {
  return {
    evidence: shown.evidence,
    workers: shown.workers.map((digest) => ({ digest })),
    models: shown.models.map(({ name, digest }) => ({ name, digest })),
  };
}

/**
 * The YAML of a trust file with one service.
 * @param because the reason that every weak entry of this draft repeats.
 */
export function encodeTrustDraft(name: string, hints: ServiceHints, because: string, header: readonly string[]): string {
  const { witnesses } = hints;
  const service = {
    name,
    gateway: {
      keys: hints.gatewayKeys.map((publicKey) => ({ publicKey })),
      teeTypes: [{ accept: hints.teeType, because }],
    },
    logs: hints.log.publicKeys.map((publicKey) => ({ origin: hints.log.origin, publicKey })),
    witnesses:
      witnesses.keys.length === 0
        ? { accept: "none", because }
        : { quorum: Math.max(1, witnesses.quorum), keys: witnesses.keys.map((key) => ({ ...key, because })) },
    policySigners: hints.policySigners.map(({ publicKey, minSequence }) => ({ publicKey, minSequence })),
    ...(hints.dev ? { dev: { accept: true, because } } : {}),
    paths: hints.paths,
    revoked: { keys: hints.revokedKeys ?? [], measurements: [] },
  };
  const comments = header.map((line) => `# ${line}\n`).join("");
  return `${comments}${stringify({ apiVersion: "triseal.dev/trust/v1", services: [service] }, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}
