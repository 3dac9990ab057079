/** The trust file (`triseal.dev/trust/v1`): what a relying party accepts, and why. Without one, nothing is accepted. */
import { parseDocument } from "yaml";
import * as z from "zod";
import { parseUtf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";

/** Largest trust file, in bytes. */
const MAX_TRUST_BYTES = 1024 * 1024;

const because = z
  .string()
  .trim()
  .min(1)
  .max(500)
  // The mark of a draft: a reason that nobody wrote is no reason.
  .regex(/^(?!CHECK\b)/, "this reason is the draft's own: write why you accept it");
const publicKey = z.string().regex(/^[0-9a-f]{64}$/, "an Ed25519 public key is 64 lower-case hexadecimal digits");
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "a digest is `sha256:` and 64 hexadecimal digits");
const keyName = z.string().regex(/^[^\s+]{1,128}$/, "a key name has no white space and no `+`");

const service = z.strictObject({
  name: z.string().min(1).max(64),
  gateway: z.strictObject({
    keys: z
      .array(z.strictObject({ publicKey, because: because.optional() }))
      .min(1)
      .max(64),
    /** Kinds of gateway attestation that are accepted. `triseal-none` is a gateway outside every TEE. */
    teeTypes: z.array(z.strictObject({ accept: z.string().min(1).max(64), because })).max(16),
  }),
  logs: z
    .array(z.strictObject({ origin: keyName, publicKey, because: because.optional() }))
    .min(1)
    .max(16),
  witnesses: z.union([
    z.strictObject({
      quorum: z.int().min(1).max(16),
      keys: z
        .array(z.strictObject({ name: keyName, publicKey, because: because.optional() }))
        .min(1)
        .max(32),
    }),
    z.strictObject({ accept: z.literal("none"), because }),
  ]),
  policySigners: z.array(z.strictObject({ publicKey, minSequence: z.int().min(0), because: because.optional() })).max(16),
  /** Receipts that the gateway itself marks as made in development mode. */
  dev: z.strictObject({ accept: z.literal(true), because }).optional(),
  /** One section per path, in that path's own form. */
  paths: z.record(z.string().regex(/^[a-z0-9-]{1,32}$/), z.record(z.string(), z.json())),
  revoked: z
    .strictObject({
      keys: z.array(z.strictObject({ publicKey, because })).max(1024),
      measurements: z.array(z.strictObject({ digest, because })).max(1024),
    })
    .default({ keys: [], measurements: [] }),
});

const trustFile = z.strictObject({
  apiVersion: z.literal("triseal.dev/trust/v1"),
  services: z.array(service).max(64),
});

/** One service that a relying party trusts. No entry counts for another service. */
export type TrustedService = z.infer<typeof service>;

/** A parsed trust file. */
export type Trust = z.infer<typeof trustFile>;

/** The trust of a relying party that named nothing: every bundle is refused. */
export const EMPTY_TRUST: Trust = { apiVersion: "triseal.dev/trust/v1", services: [] };

/** First problem of a zod error, in one line. */
function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? "not a trust file" : `${issue.path.join(".") || "document"}: ${issue.message}`;
}

function assertConsistent(trust: Trust): void {
  const names = trust.services.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new TrisealError("TRUST_FILE_INVALID", "two services have one name");
  for (const { name, witnesses } of trust.services) {
    if (!("keys" in witnesses)) continue;
    const distinct = new Set(witnesses.keys.map((witness) => witness.publicKey)).size;
    if (distinct !== witnesses.keys.length || witnesses.quorum > distinct) {
      throw new TrisealError(
        "TRUST_FILE_INVALID",
        `service ${name}: the quorum needs ${witnesses.quorum} different witness keys`,
      );
    }
  }
}

/**
 * Parses a trust file in YAML. Checks its form and its inner consistency; path sections are parsed by their path.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseTrust(bytes: Uint8Array): Trust {
  if (bytes.length > MAX_TRUST_BYTES) throw new TrisealError("TRUST_FILE_INVALID", "the trust file is larger than 1 MiB");
  let document: unknown;
  try {
    const yaml = parseDocument(parseUtf8(bytes), { strict: true, uniqueKeys: true, version: "1.2", schema: "core" });
    // A warning is about what this version does not know, such as a tag: nothing here may be read as something else.
    const [problem] = [...yaml.errors, ...yaml.warnings];
    if (problem !== undefined) throw problem;
    document = yaml.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "";
    throw new TrisealError("TRUST_FILE_INVALID", `the trust file is not YAML: ${reason.slice(0, 200)}`, { cause });
  }
  const parsed = trustFile.safeParse(document);
  if (!parsed.success) throw new TrisealError("TRUST_FILE_INVALID", firstIssue(parsed.error), { cause: parsed.error });
  assertConsistent(parsed.data);
  return parsed.data;
}

/** The section of `service` for one path, or null where it has none. */
export function pathSection(service: TrustedService, path: string): JsonObject | null {
  return Object.hasOwn(service.paths, path) ? ((service.paths[path] as JsonObject | undefined) ?? null) : null;
}

/** Keys (hexadecimal) and measurements (digests) that `service` has withdrawn. */
export function revokedBy(service: TrustedService): {
  readonly keys: ReadonlySet<string>;
  readonly measurements: ReadonlySet<string>;
} {
  return {
    keys: new Set(service.revoked.keys.map((entry) => entry.publicKey)),
    measurements: new Set(service.revoked.measurements.map((entry) => entry.digest)),
  };
}

/** A weakness that the relying party accepted in writing, and the reason it gave. */
export interface Waiver {
  readonly entry: string;
  readonly because: string;
}
