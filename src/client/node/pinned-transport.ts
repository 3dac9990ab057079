/** HTTPS that hands over no byte of a request before the peer's key was seen and found in a list (ACI section 9.1, check 6). */
import { createHash } from "node:crypto";
import { TLSSocket } from "node:tls";
import { Agent, buildConnector, fetch as undiciFetch } from "undici";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import type { Fetch, PinningTransport } from "../channel.ts";

/** How certificates are judged. */
export interface NodeTransportOptions {
  /** Authorities in PEM, in place of the system's: for a certificate of a private one, or one that signs itself. */
  readonly ca?: string | readonly string[];
}

/** A transport that holds connections open between requests until it is closed. */
export interface NodeTransport extends PinningTransport {
  /** Ends the connections. Requests under way are answered first. */
  close(): Promise<void>;
}

/** SHA-256 of the SPKI of the certificate at the other end, in hexadecimal; null where none was shown. */
function peerKey(socket: unknown): string | null {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  const spki = certificate?.publicKey.export({ type: "spki", format: "der" });
  return spki === undefined ? null : createHash("sha256").update(spki).digest("hex");
}

/** Connects over TLS 1.3 to a peer whose key is in `keys`; to any whose certificate holds where that is null. */
function connectorFor(keys: ReadonlySet<string> | null, { ca }: NodeTransportOptions): buildConnector.connector {
  const authorities = ca === undefined ? {} : { ca: typeof ca === "string" ? ca : [...ca] };
  // No resumed sessions: each connection shows certificate and proof of its key.
  const connect = buildConnector({ ...authorities, minVersion: "TLSv1.3", maxCachedSessions: 0, allowH2: false });
  return (target, callback) => {
    if (target.protocol !== "https:") {
      callback(new TrisealError("CHANNEL_NOT_BOUND", "this transport speaks TLS only: the address begins with `http:`"), null);
      return;
    }
    connect(target, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const key = peerKey(socket);
      // The caller of this callback writes the request: a socket that is not handed over has carried the handshake only.
      if (keys === null || (key !== null && keys.has(key))) callback(null, socket);
      else {
        socket.destroy();
        const found = key === null ? "none" : `${key.slice(0, 16)}…`;
        callback(new TrisealError("TLS_KEY_MISMATCH", `the peer's TLS key ${found} is not in the service's keyset`), null);
      }
    });
  };
}

/** `fetch` through an agent. What the connector found is thrown as it is, not as the cause of a failed fetch. */
function fetchThrough(agent: Agent): Fetch {
  return async (url, init = {}) => {
    try {
      const request = { ...init, dispatcher: agent } as Parameters<typeof undiciFetch>[1];
      return (await undiciFetch(url, request)) as unknown as Response;
    } catch (error) {
      if (error instanceof Error && isTrisealError(error.cause)) throw error.cause;
      throw error;
    }
  };
}

/**
 * A transport for `TrisealClientOptions.transport`. Certificates must hold under the authorities, with the host's name and in
 * their period; that is not enough: only a peer whose key the appraised keyset lists is given a request.
 * Its `fetch`es throw `TLS_KEY_MISMATCH` for another key and `CHANNEL_NOT_BOUND` for an address that is not `https:`.
 */
export function createPinnedTransport(options: NodeTransportOptions = {}): NodeTransport {
  const first = new Agent({ connect: connectorFor(null, options) });
  const pinned = new Map<string, Agent>();
  return {
    contact: fetchThrough(first),
    pin: (keys) => {
      const name = [...keys].sort().join(" ");
      const agent = pinned.get(name) ?? new Agent({ connect: connectorFor(new Set(keys), options) });
      pinned.set(name, agent);
      return fetchThrough(agent);
    },
    close: async () => {
      await Promise.all([first, ...pinned.values()].map((agent) => agent.close()));
    },
  };
}
