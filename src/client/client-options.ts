/** What a caller says of itself and of its gateway. */
import type { Clock } from "../core/time.ts";
import type { PathClient } from "../paths/path.ts";
import type { Trust } from "../trust/trust-file.ts";
import type { Fetch, PinningTransport } from "./channel.ts";
import type { RetryOptions } from "./retry.ts";

/** How a client is set up. */
export interface TrisealClientOptions {
  /** Origin of the gateway, such as `https://gateway.example` or, on this machine, `http://127.0.0.1:8080`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** What this caller trusts; `parseTrust` reads it from a file. */
  readonly trust: Trust;
  readonly clock: Clock;
  /** The web's `fetch` by default. It cannot pin: over TLS, whoever holds a certificate sees what is not sealed. */
  readonly fetch?: Fetch;
  /** In place of `fetch`: pins the TLS keys of the appraised keyset. `triseal/client/node` makes one. */
  readonly transport?: PinningTransport;
  /** Clients of the paths to seal for; all shipped ones by default. */
  readonly pathClients?: readonly PathClient[];
  /** How `infer` retries. */
  readonly retry?: RetryOptions;
  /**
   * Age in seconds at which an appraisal is made anew: of a worker's session, from its `established_at`, and of the service
   * itself. 3,600 by default; it must exceed two thirds of the gateway's `workers.maxSessionAgeSeconds`.
   */
  readonly maxSessionAgeSeconds?: number;
}
