/**
 * Quotes of a TPM 2.0 whose registers a measured boot extended. A TPM that is software is an evidence type of its own,
 * `tpm2-simulated`, which nothing accepts that does not name it. Never run on hardware.
 */
import { concatBytes, encodeHex, equalBytes, utf8 } from "../../../src/core/bytes.ts";
import { sha256Bytes } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import type { CollectedEvidence, ReportSource } from "../attester.ts";
import { REPORT_DATA_BYTES } from "../attester.ts";
import { attesterError } from "../attester-error.ts";
import type { TpmChannel } from "./tpm2-channel.ts";
import { type LoadedKey, type RawQuote, Tpm } from "./tpm2-device.ts";
import { ATTESTATION_ATTRIBUTES, ATTESTATION_TEMPLATE, spkiOf } from "./tpm2-key.ts";
import { malformedResponse, TpmReader } from "./tpm2-wire.ts";

/** Registers of firmware and operating system (TCG PC Client Platform Firmware Profile, section 3.3.4). */
export const QUOTED_REGISTERS = Array.from({ length: 16 }, (_, index) => index);

/** How often registers and quote are read anew because something was measured in between. */
const ATTEMPTS = 4;

/** What a TPM is asked through, and what stands beside its quotes. */
export interface TpmSourceOptions {
  readonly type: "tpm2" | "tpm2-simulated";
  readonly openChannel: () => Promise<TpmChannel>;
  /** The firmware's boot log, as the kernel shows it; null where none is to be shown. */
  readonly readBootLog: (() => Promise<Uint8Array>) | null;
  /** The enroller's statement about the attestation key; null where there is none, and then its key must be known otherwise. */
  readonly readEnrolment: (() => Promise<Uint8Array>) | null;
}

interface OpenTpm {
  readonly channel: TpmChannel;
  readonly tpm: Tpm;
  readonly attestationKey: LoadedKey;
}

/** @throws TrisealError `ATTESTER_SIMULATED` where hardware is to vouch and the TPM says that it is software. */
async function assertHardware(tpm: Tpm, signal: AbortSignal): Promise<void> {
  const vendor = await tpm.vendor(signal);
  if (/^(?:SW|swtpm|xCG|MSFT Sim)/i.test(vendor)) throw attesterError("ATTESTER_SIMULATED", "the TPM says that it is software");
}

async function openTpm({ type, openChannel }: TpmSourceOptions, signal: AbortSignal): Promise<OpenTpm> {
  const channel = await openChannel();
  try {
    const tpm = new Tpm(channel);
    if (type === "tpm2-simulated") await tpm.startUp(signal);
    else await assertHardware(tpm, signal);
    const attestationKey = await tpm.createPrimary(ATTESTATION_TEMPLATE, signal);
    if (attestationKey.key.attributes !== ATTESTATION_ATTRIBUTES)
      malformedResponse("a key of other attributes than were asked for");
    return { channel, tpm, attestationKey };
  } catch (error) {
    await channel.close();
    throw error;
  }
}

/** Extra data and register digest of a quote; the rest is the appraiser's to read. */
function boundBy({ quote }: RawQuote): { readonly extraData: Uint8Array; readonly registers: Uint8Array } {
  const reader = new TpmReader(quote);
  if (reader.uint32() !== 0xff544347 || reader.uint16() !== 0x8018) malformedResponse("not a quote");
  reader.sized(64);
  return { extraData: reader.sized(64), registers: quote.subarray(-32) };
}

/** A quote with the registers that it covers: what is measured in between makes them differ, and is read anew. */
async function quoteWithRegisters({ tpm, attestationKey }: OpenTpm, nonce: Uint8Array, signal: AbortSignal) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const values = await tpm.readRegisters(QUOTED_REGISTERS, signal);
    const registers = QUOTED_REGISTERS.map((index) => values.get(index) ?? malformedResponse("a register is missing"));
    const raw = await tpm.quote(attestationKey.handle, nonce, QUOTED_REGISTERS, signal);
    const bound = boundBy(raw);
    if (!equalBytes(bound.extraData, nonce)) throw attesterError("ATTESTER_MISMATCH", "the quote has other qualifying data");
    if (equalBytes(bound.registers, sha256Bytes(concatBytes(...registers)))) return { ...raw, registers };
  }
  throw attesterError("ATTESTER_RACED", "registers changed during every quote");
}

/**
 * A source of TPM quotes, which holds a connection to a TPM behind the kernel until it is closed. The qualifying data is the first half of the report data, which is the digest of the statement: 64 bytes do
 * not fit in it everywhere. @throws in `collect`: TrisealError of the attester's codes.
 */
export function createTpmSource(options: TpmSourceOptions): ReportSource {
  let open: OpenTpm | null = null;
  let queue: Promise<unknown> = Promise.resolve();

  async function close(): Promise<void> {
    const closing = open;
    open = null;
    if (closing === null) return;
    // A simulator keeps its slots when the connection ends; the kernel's resource manager does not.
    await closing.tpm.flush(closing.attestationKey.handle, AbortSignal.timeout(1000)).catch(() => {});
    await closing.channel.close().catch(() => {});
  }

  async function collect(reportData: Uint8Array, signal: AbortSignal): Promise<CollectedEvidence> {
    signal.throwIfAborted();
    open ??= await openTpm(options, signal);
    const { quote, signature, registers } = await quoteWithRegisters(open, reportData.subarray(0, 32), signal);
    const parts: [string, Uint8Array][] = [
      ["quote", quote],
      ["signature", signature],
      ["akPublic", spkiOf(open.attestationKey.key)],
      ["pcrs", utf8(JSON.stringify(registers.map(encodeHex)))],
    ];
    if (options.readBootLog !== null) parts.push(["eventLog", await options.readBootLog()]);
    const enrolment = options.readEnrolment === null ? null : await options.readEnrolment();
    return { evidence: new Map(parts), endorsements: new Map(enrolment === null ? [] : [["enrolment", enrolment]]) };
  }

  async function collectOrClose(reportData: Uint8Array, signal: AbortSignal): Promise<CollectedEvidence> {
    try {
      const collected = await collect(reportData, signal);
      // A simulator serves one connection after another: one that is held keeps out the worker that is to replace this one.
      if (options.type === "tpm2-simulated") await close();
      return collected;
    } catch (error) {
      // A channel that failed may be out of step: the next request begins anew.
      await close();
      throw isTrisealError(error) || signal.aborted
        ? error
        : attesterError("ATTESTER_FAILED", "the TPM failed", { cause: error });
    }
  }

  return {
    type: options.type,
    async collect(reportData, signal) {
      if (reportData.length !== REPORT_DATA_BYTES || reportData.subarray(32).some((byte) => byte !== 0)) {
        throw attesterError("ATTESTER_FAILED", "a TPM binds a digest: 32 bytes, and 32 of zeros");
      }
      const mine = queue.then(async () => await collectOrClose(reportData, signal));
      queue = mine.catch(() => {});
      return await mine;
    },
    close: async () => {
      await queue;
      await close();
    },
  };
}
