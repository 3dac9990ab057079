/** What is asked of a TPM 2.0 (part 3): each method is one command, with its response read strictly. */
import { setTimeout as wait } from "node:timers/promises";
import { concatBytes, parseUtf8, uint32BE } from "../../../src/core/bytes.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import type { TpmChannel } from "./tpm2-channel.ts";
import { parsePublicArea, type TpmPublicKey } from "./tpm2-key.ts";
import {
  EMPTY_PASSWORD,
  encodeCommand,
  malformedResponse,
  parseResponse,
  policyAuthorisation,
  sized,
  type TpmCommand,
  TpmReader,
  type TpmResponse,
  uint16,
} from "./tpm2-wire.ts";

const ENDORSEMENT_HIERARCHY = 0x4000000b;
const ALG_SHA256 = 0x000b;
const ALG_NULL = 0x0010;
const DIGEST_BYTES = 32;
/** Registers of the SHA-256 bank. */
export const REGISTERS = 24;

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 5;

/** TPM_RC_INITIALIZE: nobody started the TPM yet, or it is started already. */
const INITIALIZE = 0x100;

/** A key in a slot of the TPM. The slot is given back with `flush`. */
export interface LoadedKey {
  readonly handle: number;
  readonly key: TpmPublicKey;
}

/** A quote: TPMS_ATTEST and TPMT_SIGNATURE as they came. */
export interface RawQuote {
  readonly quote: Uint8Array;
  readonly signature: Uint8Array;
}

/** A selection of registers of the SHA-256 bank: TPML_PCR_SELECTION. */
function selectionOf(registers: readonly number[]): Uint8Array {
  const bitmap = new Uint8Array(REGISTERS / 8);
  for (const index of registers) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  return concatBytes(uint32BE(1), uint16(ALG_SHA256), Uint8Array.of(bitmap.length), bitmap);
}

/** The registers that the SHA-256 bank of a TPML_PCR_SELECTION names. */
function selectedIn(reader: TpmReader): readonly number[] {
  const banks = reader.uint32();
  if (banks !== 1 || reader.uint16() !== ALG_SHA256) malformedResponse("registers of another bank");
  const size = reader.uint8();
  if (size > 4) malformedResponse("a selection of more than 32 registers");
  const bitmap = reader.take(size);
  return Array.from({ length: size * 8 }, (_, index) => index).filter((index) => ((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1);
}

/** A TPM behind a channel. */
export class Tpm {
  private readonly channel: TpmChannel;

  constructor(channel: TpmChannel) {
    this.channel = channel;
  }

  /** TPM2_Startup, for a TPM that nobody started: one behind the kernel has been. */
  async startUp(signal: AbortSignal): Promise<void> {
    try {
      await this.run({ code: 0x144, parameters: uint16(0) }, signal);
    } catch (error) {
      if (!isTrisealError(error) || error.details["tpmCode"] !== INITIALIZE) throw error;
    }
  }

  /** The vendor string (TPM_PT_VENDOR_STRING_1 to 4) of at most 16 characters. */
  async vendor(signal: AbortSignal): Promise<string> {
    const parameters = concatBytes(uint32BE(6), uint32BE(0x106), uint32BE(4));
    const reader = new TpmReader((await this.run({ code: 0x17a, parameters }, signal)).parameters);
    reader.uint8();
    if (reader.uint32() !== 6) malformedResponse("another capability");
    const count = reader.uint32();
    if (count > 4) malformedResponse("more properties than were asked for");
    const words: Uint8Array[] = [];
    for (let index = 0; index < count; index++) {
      const property = reader.uint32();
      const value = reader.take(4);
      if (property >= 0x106 && property <= 0x109) words.push(value);
    }
    reader.end();
    try {
      return parseUtf8(concatBytes(...words))
        .replaceAll("\0", "")
        .trim();
    } catch {
      return malformedResponse("a vendor string that is no text");
    }
  }

  /** Makes the key of `template` under the endorsement hierarchy: the same one each time, until the TPM is cleared. */
  async createPrimary(template: Uint8Array, signal: AbortSignal): Promise<LoadedKey> {
    const parameters = concatBytes(sized(concatBytes(uint16(0), uint16(0))), sized(template), uint16(0), uint32BE(0));
    const { handle, parameters: answer } = await this.run(
      { code: 0x131, handles: [ENDORSEMENT_HIERARCHY], authorisations: [EMPTY_PASSWORD], parameters, returnsHandle: true },
      signal,
    );
    const key = parsePublicArea(new TpmReader(answer).sized(512));
    return { handle, key };
  }

  /** TPM2_FlushContext. */
  async flush(handle: number, signal: AbortSignal): Promise<void> {
    await this.run({ code: 0x165, parameters: uint32BE(handle) }, signal);
  }

  /** Values of the SHA-256 registers, by index. @throws TrisealError `ATTESTER_MALFORMED` where the TPM leaves some out. */
  async readRegisters(registers: readonly number[], signal: AbortSignal): Promise<ReadonlyMap<number, Uint8Array>> {
    const values = new Map<number, Uint8Array>();
    for (let missing = registers; missing.length > 0; missing = registers.filter((index) => !values.has(index))) {
      const reader = new TpmReader((await this.run({ code: 0x17e, parameters: selectionOf(missing) }, signal)).parameters);
      reader.uint32();
      const selected = selectedIn(reader);
      if (reader.uint32() !== selected.length || selected.length === 0) malformedResponse("registers that were not asked for");
      for (const index of selected) {
        const value = reader.sized(DIGEST_BYTES);
        if (!missing.includes(index) || value.length !== DIGEST_BYTES) malformedResponse("registers that were not asked for");
        values.set(index, value);
      }
      reader.end();
    }
    return values;
  }

  /** TPM2_Quote with the key's own scheme over SHA-256 registers. */
  async quote(key: number, qualifyingData: Uint8Array, registers: readonly number[], signal: AbortSignal): Promise<RawQuote> {
    const parameters = concatBytes(sized(qualifyingData), uint16(ALG_NULL), selectionOf(registers));
    const command = { code: 0x158, handles: [key], authorisations: [EMPTY_PASSWORD], parameters };
    const reader = new TpmReader((await this.run(command, signal)).parameters);
    const quote = reader.sized(1024);
    return { quote, signature: reader.rest() };
  }

  /**
   * TPM2_ActivateCredential: the secret of a credential that was made for the attestation key `attestation`, if the endorsement key
   * `endorsement` is in this TPM. @throws TrisealError `ATTESTER_FAILED` where the credential is for another key or another TPM.
   */
  async activateCredential(
    attestation: number,
    endorsement: number,
    blob: Uint8Array,
    secret: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const session = await this.startPolicySession(signal);
    try {
      const policy = { handles: [ENDORSEMENT_HIERARCHY, session], authorisations: [EMPTY_PASSWORD] };
      await this.run({ code: 0x151, ...policy, parameters: concatBytes(uint16(0), uint16(0), uint16(0), uint32BE(0)) }, signal);
      const parameters = concatBytes(sized(blob), sized(secret));
      const authorisations = [EMPTY_PASSWORD, policyAuthorisation(session)];
      const answer = await this.run({ code: 0x147, handles: [attestation, endorsement], authorisations, parameters }, signal);
      const reader = new TpmReader(answer.parameters);
      const credential = reader.sized(64);
      reader.end();
      return credential;
    } catch (error) {
      // The session ends with the command that it authorises, unless that failed.
      await this.flush(session, signal).catch(() => {});
      throw error;
    }
  }

  private async startPolicySession(signal: AbortSignal): Promise<number> {
    const nothing = 0x40000007;
    const parameters = concatBytes(sized(new Uint8Array(16)), uint16(0), Uint8Array.of(1), uint16(ALG_NULL), uint16(ALG_SHA256));
    return (await this.run({ code: 0x176, handles: [nothing, nothing], parameters, returnsHandle: true }, signal)).handle;
  }

  private async run(command: TpmCommand, signal: AbortSignal): Promise<TpmResponse> {
    for (let attempt = 1; ; attempt++) {
      try {
        return parseResponse(await this.channel.send(encodeCommand(command), signal), command);
      } catch (error) {
        if (attempt === ATTEMPTS || !isTrisealError(error, "ATTESTER_BUSY")) throw error;
        await wait(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal });
      }
    }
  }
}
