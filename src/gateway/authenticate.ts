/** API keys: the gateway knows only their SHA-256. */
import { encodeHex, utf8 } from "../core/bytes.ts";
import { sha256Bytes } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import type { Tenant } from "./options.ts";

/** Who calls. */
export interface Caller {
  readonly tenant: Tenant;
  /** SHA-256 of the API key, 64 hexadecimal digits. */
  readonly keyHash: string;
}

/** The SHA-256 of an API key as the configuration names it. Keys are random, so that a plain hash is enough. */
export function hashApiKey(key: string): string {
  return encodeHex(sha256Bytes(utf8(key)));
}

/**
 * Who an `Authorization` header belongs to.
 * @throws TrisealError `AUTH_REQUIRED`, `AUTH_INVALID`.
 */
export function authenticate(header: string | undefined, tenants: ReadonlyMap<string, Tenant>): Caller {
  const key = /^Bearer ([\x21-\x7e]{16,256})$/i.exec(header ?? "")?.[1];
  if (header === undefined) throw new TrisealError("AUTH_REQUIRED", "this route needs an API key");
  const keyHash = key === undefined ? "" : hashApiKey(key);
  const tenant = tenants.get(keyHash);
  if (tenant === undefined) throw new TrisealError("AUTH_INVALID", "the API key is not known");
  return { tenant, keyHash };
}
