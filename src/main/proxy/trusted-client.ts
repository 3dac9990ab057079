/** The SDK under a trust file that is followed: what it says now holds for the next request. */
import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import type { TrisealClient } from "../../client/index.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { parseTrust, type Trust } from "../../trust/trust-file.ts";
import { readNamed } from "../refusing.ts";

interface Held {
  /** Which file it was made from: another one has another time, size or inode. */
  readonly stamp: string;
  readonly client: TrisealClient;
}

/** Clients of one gateway, one for each state of the trust file. */
export class TrustedClient {
  private readonly file: string;
  private readonly make: (trust: Trust) => TrisealClient;
  private held: Held | null = null;

  /** @param make a client that trusts what it is given. */
  constructor(file: string, make: (trust: Trust) => TrisealClient) {
    this.file = file;
    this.make = make;
  }

  /**
   * The client for a request that begins now. A file that is gone or malformed is no reason to go on with what it said before.
   * @throws TrisealError `TRUST_FILE_INVALID`.
   */
  async current(): Promise<TrisealClient> {
    const stamp = stampOf(await this.found());
    if (this.held?.stamp === stamp) return this.held.client;
    const client = this.make(parseTrust(await this.read()));
    this.held = { stamp, client };
    return client;
  }

  private async found(): Promise<BigIntStats> {
    return stat(this.file, { bigint: true }).catch((cause: unknown) => {
      throw new TrisealError("TRUST_FILE_INVALID", "the trust file cannot be read", { cause });
    });
  }

  private async read(): Promise<Uint8Array> {
    return readNamed(this.file).catch((cause: unknown) => {
      if (!isTrisealError(cause, "FORMAT_INVALID")) throw cause;
      throw new TrisealError("TRUST_FILE_INVALID", "the trust file cannot be read", { cause });
    });
  }
}

function stampOf({ mtimeNs, ctimeNs, size, ino, dev }: BigIntStats): string {
  return [mtimeNs, ctimeNs, size, ino, dev].join(" ");
}
