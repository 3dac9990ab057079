/** Composition root of the proxy. */
import { readFile, stat } from "node:fs/promises";
import { createPinnedTransport } from "../../client/node/index.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import type { OperatorLog } from "../../gateway/options.ts";
import { isLoopback } from "../config.ts";
import { listen } from "../listen.ts";
import { readAuthorities } from "../refusing.ts";
import { systemClock } from "../system-clock.ts";
import { openBundleFolder } from "./bundle-folder.ts";
import { createProxy, type ProxyLimits } from "./create-proxy.ts";
import { SdkUpstream } from "./open-upstream.ts";

/** How the proxy is started. */
export interface ProxySettings {
  readonly url: string;
  readonly trustFile: string;
  readonly apiKey: string;
  /** Authorities for the gateway's certificate, in PEM; null takes the system's. */
  readonly caFile: string | null;
  readonly host: string;
  readonly port: number;
  /** Whether an address that others can reach is taken. */
  readonly exposed: boolean;
  readonly bundles: { readonly folder: string; readonly content: boolean } | null;
  readonly limits: ProxyLimits;
  readonly timeoutMs: number;
  readonly log: OperatorLog;
}

/** A proxy that answers. */
export interface RunningProxy {
  readonly url: string;
  /** Null where the gateway was appraised, else why it could not be reached: nothing is answered before it is appraised. */
  readonly unreached: string | null;
  /** Refuses new requests, answers those under way, and ends. */
  readonly close: () => Promise<void>;
}

const FIRST_APPRAISAL_MS = 10_000;
const SEND_TIMEOUT_MS = 60_000;
const MAX_CONNECTIONS = 1024;
const MAX_KEY_BYTES = 1024;

/** The API key in a file that only its owner reads. @throws TrisealError `CONFIG_INVALID`. */
export async function readKeyFile(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", "--key-file cannot be read", { cause });
  });
  if (!found.isFile() || found.size > MAX_KEY_BYTES) throw new TrisealError("CONFIG_INVALID", "--key-file is no file of a key");
  if ((found.mode & 0o077) !== 0) throw new TrisealError("CONFIG_INVALID", "--key-file can be read by others: chmod 600");
  return (await readFile(path, "utf8")).trim();
}

function assertAddress({ host, exposed, apiKey }: ProxySettings): void {
  if (!isLoopback(host) && !exposed)
    throw new TrisealError(
      "CONFIG_INVALID",
      "--listen: beyond this machine anyone could use the API key, and read what is asked",
    );
  if (!/^[\x21-\x7e]{16,256}$/.test(apiKey))
    throw new TrisealError("CONFIG_INVALID", "the API key is missing: set TRISEAL_KEY, or name a --key-file");
}

/**
 * Appraises the gateway, so that a trust file which does not name it is noticed now and not at the first request. A gateway
 * that is down may come.
 * @throws TrisealError what refuses it.
 */
async function firstAppraisal(upstream: SdkUpstream): Promise<string | null> {
  const signal = AbortSignal.timeout(FIRST_APPRAISAL_MS);
  try {
    await upstream.appraise(signal);
    return null;
  } catch (error) {
    if (signal.aborted) return "DEADLINE_EXCEEDED";
    if (isTrisealError(error) && error.details["retryable"] === true) return error.code;
    throw error;
  }
}

/**
 * Starts a proxy.
 * @throws TrisealError `CONFIG_INVALID`, `TRUST_FILE_INVALID`; where the gateway answers and does not pass, as
 *   `TrisealClient.establish`. The system's error where the port cannot be had.
 */
export async function startProxy(settings: ProxySettings): Promise<RunningProxy> {
  assertAddress(settings);
  const { url, apiKey, trustFile, caFile, host, port, bundles, limits, timeoutMs, log } = settings;
  const ca = caFile === null ? {} : { ca: await readAuthorities(caFile) };
  const transport = url.startsWith("https:") ? createPinnedTransport(ca) : null;
  const upstream = new SdkUpstream({ url, apiKey, trustFile, transport, clock: systemClock, timeoutMs });
  try {
    const keepBundle = bundles === null ? null : await openBundleFolder(bundles.folder, bundles.content);
    const unreached = await firstAppraisal(upstream);
    const proxy = createProxy({ upstream, limits, keepBundle, anyHost: !isLoopback(host), log });
    const sockets = { sendTimeoutMs: SEND_TIMEOUT_MS, requestTimeoutMs: timeoutMs, maxConnections: MAX_CONNECTIONS };
    const listener = await listen(proxy.fetch, { listen: { host, port }, limits: sockets }, null);
    const close = async () => {
      await listener.close(() => proxy.drain());
      await transport?.close();
    };
    return { url: listener.url, unreached, close };
  } catch (error) {
    await transport?.close();
    throw error;
  }
}
