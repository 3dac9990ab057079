/**
 * Reports through Linux configfs-tsm (kernel ABI `testing/configfs-tsm`, 6.7 and later): a folder is a request, `inblob` takes the
 * report data, `outblob` gives the report, `generation` counts writes, so that a writer in between is seen.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { encodeHex, parseUtf8 } from "../../src/core/bytes.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import { REPORT_DATA_BYTES } from "./attester.ts";
import { attesterError } from "./attester-error.ts";
import { systemFiles, type TsmFiles } from "./tsm-files.ts";

const TSM_FOLDER = "/sys/kernel/config/tsm/report";

/** Largest report, and largest table of certificates beside it, in bytes. */
const MAX_BLOB_BYTES = 64 * 1024;
const MAX_ATTRIBUTE_BYTES = 4096;

/** How often a report is asked for before giving up, and the first pause in between, which doubles. */
const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 5;

/** How a platform is asked. All members but `provider` have defaults that suit the system. */
export interface TsmOptions {
  /** What `provider` must say: `sev_guest`, `tdx_guest`. */
  readonly provider: string;
  /** Privilege level of the report (VMPL), where the platform has them; the kernel's choice by default. */
  readonly privilegeLevel?: number;
  readonly files?: TsmFiles;
  readonly folder?: string;
  /** Waits so many milliseconds. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A report as the kernel gave it. */
export interface TsmReport {
  readonly outblob: Uint8Array;
  /** The platform's certificates; empty where it gives none. */
  readonly auxblob: Uint8Array;
}

const systemPause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await wait(ms, undefined, { signal });
};

/** Codes after which the same request may succeed: other users of the platform, and a reader that was overtaken. */
const BUSY_CODES: ReadonlySet<string | null> = new Set(["EBUSY", "EAGAIN", "EINTR"]);
/** Codes that say that the kernel has no such interface, or no platform behind it. */
const ABSENT_CODES: ReadonlySet<string | null> = new Set([
  "ENOENT",
  "ENXIO",
  "ENODEV",
  "ENOTDIR",
  "EOPNOTSUPP",
  "EACCES",
  "EPERM",
]);

function systemCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

function isTemporary(error: unknown): boolean {
  return isTrisealError(error) ? error.code === "ATTESTER_RACED" : BUSY_CODES.has(systemCode(error));
}

/** `error` with a code of ours. Names of files are the kernel's, not secrets, but say nothing to a caller. */
function asAttesterError(error: unknown): unknown {
  if (isTrisealError(error)) return error;
  const code = systemCode(error);
  if (code === null) return error;
  if (BUSY_CODES.has(code)) return attesterError("ATTESTER_BUSY", "the platform stayed busy", { cause: error });
  if (ABSENT_CODES.has(code)) return attesterError("ATTESTER_UNAVAILABLE", `configfs-tsm: ${code}`, { cause: error });
  return attesterError("ATTESTER_FAILED", `configfs-tsm: ${code}`, { cause: error });
}

/** One request: a folder of its own, so that only a stranger who looks for it can write into it. */
class TsmRequest {
  private readonly folder: string;
  private readonly files: TsmFiles;
  private readonly options: TsmOptions;

  constructor(folder: string, files: TsmFiles, options: TsmOptions) {
    this.folder = folder;
    this.files = files;
    this.options = options;
  }

  /** One try. @throws TrisealError `ATTESTER_RACED` where others wrote in between; errors of the system. */
  async attempt(reportData: Uint8Array): Promise<TsmReport> {
    const before = await this.generation();
    const { privilegeLevel } = this.options;
    if (privilegeLevel !== undefined) await this.write("privlevel", new TextEncoder().encode(String(privilegeLevel)));
    await this.write("inblob", reportData);
    const outblob = await this.files.read(`${this.folder}/outblob`, MAX_BLOB_BYTES);
    const auxblob = await this.auxiliary();
    const expected = before + (privilegeLevel === undefined ? 1n : 2n);
    if ((await this.generation()) !== expected) throw attesterError("ATTESTER_RACED", "another process wrote to this request");
    if (outblob.length === 0) throw attesterError("ATTESTER_MALFORMED", "the platform gave an empty report");
    return { outblob, auxblob };
  }

  /** @throws TrisealError `ATTESTER_WRONG_PROVIDER`. */
  async assertProvider(): Promise<void> {
    const provider = await this.attribute("provider");
    if (provider === this.options.provider) return;
    throw attesterError("ATTESTER_WRONG_PROVIDER", `configfs-tsm is provided by \`${provider}\``);
  }

  private async write(name: string, bytes: Uint8Array): Promise<void> {
    const taken = await this.files.write(`${this.folder}/${name}`, bytes);
    if (taken !== bytes.length) throw attesterError("ATTESTER_FAILED", `the kernel took ${taken} bytes of \`${name}\``);
  }

  private async attribute(name: string): Promise<string> {
    const bytes = await this.files.read(`${this.folder}/${name}`, MAX_ATTRIBUTE_BYTES);
    try {
      return parseUtf8(bytes).trimEnd();
    } catch (cause) {
      throw attesterError("ATTESTER_MALFORMED", `\`${name}\` is no text`, { cause });
    }
  }

  private async generation(): Promise<bigint> {
    const text = await this.attribute("generation");
    if (!/^(?:0|[1-9]\d{0,19})$/.test(text)) throw attesterError("ATTESTER_MALFORMED", "`generation` is no number");
    return BigInt(text);
  }

  private async auxiliary(): Promise<Uint8Array> {
    try {
      return await this.files.read(`${this.folder}/auxblob`, MAX_BLOB_BYTES);
    } catch (error) {
      // Platforms without certificates do not have the attribute at all.
      if (systemCode(error) === "ENOENT") return new Uint8Array();
      throw error;
    }
  }
}

async function attemptOften(
  request: TsmRequest,
  reportData: Uint8Array,
  options: TsmOptions,
  signal: AbortSignal,
): Promise<TsmReport> {
  const pause = options.pause ?? systemPause;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await request.attempt(reportData);
    } catch (error) {
      if (attempt === ATTEMPTS || !isTemporary(error)) throw error;
      await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1), signal);
    }
  }
}

/**
 * A report over exactly 64 bytes of report data. What the report says is not looked at.
 * @throws TrisealError `ATTESTER_UNAVAILABLE`, `ATTESTER_WRONG_PROVIDER`, `ATTESTER_BUSY`, `ATTESTER_RACED`, `ATTESTER_MALFORMED`,
 *   `ATTESTER_TOO_LARGE`, `ATTESTER_FAILED`; the reason of `signal`.
 */
export async function readTsmReport(reportData: Uint8Array, options: TsmOptions, signal: AbortSignal): Promise<TsmReport> {
  if (reportData.length !== REPORT_DATA_BYTES) throw attesterError("ATTESTER_FAILED", "report data must have 64 bytes");
  const { files = systemFiles, folder = TSM_FOLDER } = options;
  const path = `${folder}/triseal-${process.pid}-${encodeHex(randomBytes(8))}`;
  try {
    await files.makeFolder(path);
    try {
      const request = new TsmRequest(path, files, options);
      await request.assertProvider();
      return await attemptOften(request, reportData, options, signal);
    } finally {
      // A folder that stays holds kernel memory and no secret: the report itself is what counts.
      await files.removeFolder(path).catch(() => {});
    }
  } catch (error) {
    throw asAttesterError(error);
  }
}
