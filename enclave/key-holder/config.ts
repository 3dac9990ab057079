/** The key holder's configuration: one line of JSON on its standard input. `measured` alone is what its evidence commits to. */
import { type Decoded, integer, object, oneOf, text } from "../../src/core/decode.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { parseJson } from "../../src/core/json.ts";
import { decodeHolderConfiguration } from "../../src/paths/fhe/wire/key-holder.ts";
import { decodeAttesterConfig } from "../attester/attester-config.ts";

/** Longest configuration line, in bytes. */
export const MAX_CONFIG_BYTES: number = 256 * 1024;

const path = text(4096);

const decodeConfig = object(
  {
    v: oneOf(1),
    /** What it decrypts, and for which service. */
    measured: decodeHolderConfiguration,
    attester: decodeAttesterConfig,
    /** Folder of the key set: `key.json`, and `client.key`, which nothing but the decrypting program opens. */
    keys: path,
    /** The program that decrypts, whose digest `measured` names. */
    program: path,
    /** Folder of what was revealed; one process holds it. Whoever sets it back lets an auction be revealed again. */
    dataDir: path,
  },
  {
    /** Port of 127.0.0.1; any free one by default. */
    port: integer(0, 65_535),
    /** Path of a unix socket to listen on instead. */
    socket: text(100),
  },
);

/** The key holder's configuration. */
export type KeyHolderConfig = Decoded<typeof decodeConfig>;

/**
 * Parses the configuration line.
 * @throws TrisealError `CONFIG_INVALID`.
 */
export function parseKeyHolderConfig(line: Uint8Array): KeyHolderConfig {
  let config: KeyHolderConfig;
  try {
    config = decodeConfig(parseJson(line), "key holder config");
  } catch (cause) {
    throw new TrisealError("CONFIG_INVALID", cause instanceof Error ? cause.message : "malformed key holder config", { cause });
  }
  if (config.port === undefined || config.socket === undefined) return config;
  throw new TrisealError("CONFIG_INVALID", "key holder config: give one of `port` and `socket`");
}
