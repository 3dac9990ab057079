/** The channel to a gateway: who may be at its other end, and what may be said on it (ACI sections 1.1 and 9.1, check 6). */
import { TrisealError } from "../core/errors.ts";
import type { GatewayKeyset } from "../receipt/index.ts";

/** Function with the signature of the web's `fetch`. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/**
 * A way to a gateway that sees the TLS key at the other end. The web's `fetch` does not: no browser shows that key to a
 * page. `triseal/client/node` has one for Node.
 */
export interface PinningTransport {
  /** For the first contact, before any key is known: only public documents are asked for on it. */
  readonly contact: Fetch;
  /**
   * A `fetch` that sends no byte of a request before the peer proved that it holds a TLS key of which `keys` has the SHA-256
   * of the SPKI, in hexadecimal. It rejects with `TLS_KEY_MISMATCH` otherwise.
   */
  pin(keys: readonly string[]): Fetch;
}

/** A channel to an appraised service. */
export interface Channel {
  readonly fetch: Fetch;
  /** Whether only the appraised service, or this machine, can read what is sent in the clear. */
  readonly bound: boolean;
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/;

/**
 * The origin of a gateway.
 * @throws TrisealError `CONFIG_INVALID` for anything but an `http:` or `https:` address without credentials.
 */
export function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "" || url.hash !== "")
    throw new TrisealError("CONFIG_INVALID", "baseUrl is no address such as `https://gateway.example`");
  return url;
}

/** The SPKI digests that a keyset lists for a host: entries of that `domain`, and those of none (ACI section 3.1). */
function tlsKeysFor(keyset: GatewayKeyset, host: string): readonly string[] {
  const listed = keyset.tls_public_keys.filter(({ domain }) => domain === undefined || domain.toLowerCase() === host);
  return listed.map((key) => key.spki_sha256);
}

/**
 * The channel on which an appraised service may be given an API key.
 * @throws TrisealError `TLS_KEY_MISMATCH` where the key could be seen and the keyset lists none for this host;
 *   `CHANNEL_NOT_BOUND` for plain HTTP beyond this machine, or to a service that answers over TLS.
 */
export function channelTo(url: URL, keyset: GatewayKeyset, ways: { fetch: Fetch; transport: PinningTransport | null }): Channel {
  const keys = tlsKeysFor(keyset, url.hostname);
  if (url.protocol === "http:") {
    if (keyset.tls_public_keys.length > 0)
      throw new TrisealError("CHANNEL_NOT_BOUND", "the service answers over TLS, and this address is plain HTTP");
    if (!LOOPBACK.test(url.hostname))
      throw new TrisealError("CHANNEL_NOT_BOUND", "an API key crosses no network over plain HTTP");
    return { fetch: ways.fetch, bound: true };
  }
  if (ways.transport === null) return { fetch: ways.fetch, bound: false };
  if (keys.length === 0) throw new TrisealError("TLS_KEY_MISMATCH", "the service's keyset lists no TLS key for this host");
  return { fetch: ways.transport.pin(keys), bound: true };
}

/** @throws TrisealError `CHANNEL_NOT_BOUND` unless only the appraised service can read what is sent in the clear. */
export function assertBound(bound: boolean): void {
  if (!bound)
    throw new TrisealError("CHANNEL_NOT_BOUND", "a request in the clear needs a channel that only the service can read");
}
