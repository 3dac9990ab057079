/** The trust file (`triseal.dev/trust/v1`): what a relying party accepts, and why. Without one, nothing is accepted. */
import { parseDocument } from "yaml";
import { en } from "zod/locales";
import * as z from "zod/mini";
import { parseUtf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";

/** Largest trust file, in bytes. */
const MAX_TRUST_BYTES = 1024 * 1024;

/** A text of 1 to `most` UTF-16 code units. */
const text = (most: number) => z.string().check(z.minLength(1), z.maxLength(most));
const spelt = (pattern: RegExp, message: string) => z.string().check(z.regex(pattern, message));
const whole = (least: number, most = Number.MAX_SAFE_INTEGER) => z.int().check(z.gte(least), z.lte(most));

const because = z.string().check(
  z.trim(),
  z.minLength(1),
  z.maxLength(500),
  // The mark of a draft: a reason that nobody wrote is no reason.
  z.regex(/^(?!CHECK\b)/, "this reason is the draft's own: write why you accept it"),
);
const reason = z.optional(because);
const publicKey = spelt(/^[0-9a-f]{64}$/, "an Ed25519 public key is 64 lower-case hexadecimal digits");
const digest = spelt(/^sha256:[0-9a-f]{64}$/, "a digest is `sha256:` and 64 hexadecimal digits");
const keyName = spelt(/^[^\s+]{1,128}$/, "a key name has no white space and no `+`");

const witnesses = z.strictObject({
  quorum: whole(1, 16),
  keys: z.array(z.strictObject({ name: keyName, publicKey, because: reason })).check(z.minLength(1), z.maxLength(32)),
});

const service = z.strictObject({
  name: text(64),
  gateway: z.strictObject({
    keys: z.array(z.strictObject({ publicKey, because: reason })).check(z.minLength(1), z.maxLength(64)),
    /** Kinds of gateway attestation that are accepted. `triseal-none` is a gateway outside every TEE. */
    teeTypes: z.array(z.strictObject({ accept: text(64), because })).check(z.maxLength(16)),
  }),
  logs: z.array(z.strictObject({ origin: keyName, publicKey, because: reason })).check(z.minLength(1), z.maxLength(16)),
  witnesses: z.union([witnesses, z.strictObject({ accept: z.literal("none"), because })]),
  policySigners: z.array(z.strictObject({ publicKey, minSequence: whole(0), because: reason })).check(z.maxLength(16)),
  /** Receipts that the gateway itself marks as made in development mode. */
  dev: z.optional(z.strictObject({ accept: z.literal(true), because })),
  /** One section per path, in that path's own form. */
  paths: z.record(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), z.record(z.string(), z.json())),
  revoked: z._default(
    z.strictObject({
      keys: z.array(z.strictObject({ publicKey, because })).check(z.maxLength(1024)),
      measurements: z.array(z.strictObject({ digest, because })).check(z.maxLength(1024)),
    }),
    { keys: [], measurements: [] },
  ),
});

const trustFile = z.strictObject({
  apiVersion: z.literal("triseal.dev/trust/v1"),
  services: z.array(service).check(z.maxLength(64)),
});

/** One service that a relying party trusts. No entry counts for another service. */
export type TrustedService = z.infer<typeof service>;

/** A parsed trust file. */
export type Trust = z.infer<typeof trustFile>;

/** The trust of a relying party that named nothing: every bundle is refused. */
export const EMPTY_TRUST: Trust = { apiVersion: "triseal.dev/trust/v1", services: [] };

/** First problem of a zod error, in one line. */
function firstIssue(error: z.core.$ZodError): string {
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
  const parsed = trustFile.safeParse(document, { error: en().localeError });
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
