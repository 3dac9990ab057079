/** A client of the gateway that the command line names. */
import type { TrisealClient } from "../client/index.ts";
import { createNodeClient, createPinnedTransport } from "../client/node/index.ts";
import { TrisealError } from "../core/errors.ts";
import { parseTrust } from "../trust/trust-file.ts";
import { readAuthorities, readNamed } from "./refusing.ts";
import { systemClock } from "./system-clock.ts";

/** What the command line says of a gateway. */
export interface GatewayFlags {
  readonly gateway?: string;
  readonly trust?: string;
  readonly key?: string;
  readonly ca?: string;
}

/**
 * Runs `work` with a client, and closes its connections.
 * @throws TrisealError `CONFIG_INVALID` without trust file or API key, or where `--ca` cannot be read, `TRUST_FILE_INVALID`.
 */
export async function withClient<T>(
  { gateway, trust, key, ca }: GatewayFlags & { readonly gateway: string },
  work: (client: TrisealClient) => Promise<T>,
): Promise<T> {
  const apiKey = key ?? process.env["TRISEAL_KEY"] ?? "";
  if (trust === undefined) throw new TrisealError("CONFIG_INVALID", "--gateway needs --trust: what is to be believed of it");
  if (apiKey === "") throw new TrisealError("CONFIG_INVALID", "--gateway needs --key, or TRISEAL_KEY in the environment");
  const transport = gateway.startsWith("https:")
    ? createPinnedTransport(ca === undefined ? {} : { ca: await readAuthorities(ca) })
    : null;
  try {
    const options = { baseUrl: gateway, apiKey, trust: parseTrust(await readNamed(trust)), clock: systemClock };
    return await work(createNodeClient(transport === null ? options : { ...options, transport }));
  } finally {
    await transport?.close();
  }
}
