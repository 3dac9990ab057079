/** Commands and responses of a TPM 2.0 as bytes (TCG, "TPM 2.0 Library", parts 1 and 3): big-endian, each field with its size. */
import { concatBytes, uint32BE } from "../../../src/core/bytes.ts";
import { attesterError } from "../attester-error.ts";

/** Largest command and response, in bytes; a TPM of today stops at 4096. */
export const MAX_TPM_BYTES = 4096;

const TAG_NO_SESSIONS = 0x8001;
const TAG_SESSIONS = 0x8002;
const HEADER_BYTES = 10;

/** TPM_RS_PW: the session that is a password. */
const PASSWORD_SESSION = 0x40000009;

/** Two bytes, big-endian. */
export function uint16(value: number): Uint8Array {
  return Uint8Array.of((value >>> 8) & 0xff, value & 0xff);
}

/** A TPM2B: `bytes` after their length. */
export function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes(uint16(bytes.length), bytes);
}

/** Authorisation by the empty password. */
export const EMPTY_PASSWORD = concatBytes(uint32BE(PASSWORD_SESSION), uint16(0), Uint8Array.of(0), uint16(0));

/** Authorisation by a policy session that needs no secret; it ends with the command. */
export function policyAuthorisation(session: number): Uint8Array {
  return concatBytes(uint32BE(session), uint16(0), Uint8Array.of(0), uint16(0));
}

/** What a command is made of. */
export interface TpmCommand {
  /** TPM_CC. */
  readonly code: number;
  readonly handles?: readonly number[];
  /** One for each handle that wants one, in order. */
  readonly authorisations?: readonly Uint8Array[];
  readonly parameters?: Uint8Array;
  /** Whether the response begins with a handle. */
  readonly returnsHandle?: boolean;
}

/** The bytes of a command. */
export function encodeCommand({
  code,
  handles = [],
  authorisations = [],
  parameters = new Uint8Array(),
}: TpmCommand): Uint8Array {
  const sessions = concatBytes(...authorisations);
  const area = authorisations.length === 0 ? new Uint8Array() : concatBytes(uint32BE(sessions.length), sessions);
  const body = concatBytes(...handles.map(uint32BE), area, parameters);
  const tag = authorisations.length === 0 ? TAG_NO_SESSIONS : TAG_SESSIONS;
  return concatBytes(uint16(tag), uint32BE(HEADER_BYTES + body.length), uint32BE(code), body);
}

/** Refuses a response that does not parse. @throws TrisealError `ATTESTER_MALFORMED`. */
export function malformedResponse(why: string): never {
  throw attesterError("ATTESTER_MALFORMED", `TPM response: ${why}`);
}

/** Takes fields off a response, in order. What is not there is `ATTESTER_MALFORMED`. */
export class TpmReader {
  private offset = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.offset) malformedResponse("it is cut");
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  uint8(): number {
    return this.take(1)[0] ?? 0;
  }

  uint16(): number {
    return this.view(2).getUint16(0);
  }

  uint32(): number {
    return this.view(4).getUint32(0);
  }

  /** The content of a TPM2B of at most `maxBytes`. */
  sized(maxBytes: number): Uint8Array {
    const length = this.uint16();
    return length <= maxBytes ? this.take(length) : malformedResponse(`a field of ${length} bytes`);
  }

  /** What was not taken yet. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.offset);
  }

  /** Refuses what was not taken. */
  end(): void {
    if (this.offset !== this.bytes.length) malformedResponse("bytes after its end");
  }

  private view(length: number): DataView {
    const { buffer, byteOffset } = this.take(length);
    return new DataView(buffer, byteOffset, length);
  }
}

/** A response that succeeded. */
export interface TpmResponse {
  /** Zero where the command returns none. */
  readonly handle: number;
  readonly parameters: Uint8Array;
}

/** Responses that ask for the same command again (part 2, section 6.6.3): TPM_RC_YIELDED, _TESTING, _RETRY, and of a resource manager. */
const RETRY_CODES: ReadonlySet<number> = new Set([0x908, 0x90a, 0x922]);

/** The length that a response states, or null while its header is not there. @throws TrisealError `ATTESTER_TOO_LARGE`, `ATTESTER_MALFORMED`. */
export function statedLength(bytes: Uint8Array): number | null {
  if (bytes.length < HEADER_BYTES) return null;
  const length = new TpmReader(bytes.subarray(2)).uint32();
  if (length > MAX_TPM_BYTES) throw attesterError("ATTESTER_TOO_LARGE", `a TPM response of ${length} bytes`);
  return length < HEADER_BYTES ? malformedResponse("shorter than its header") : length;
}

/**
 * The response to `command`, strictly: tag, length, handle, parameters, and as many session acknowledgements as were sent.
 * @throws TrisealError `ATTESTER_MALFORMED`; `ATTESTER_BUSY` where the TPM asks to retry; `ATTESTER_FAILED` with its code otherwise.
 */
export function parseResponse(bytes: Uint8Array, command: TpmCommand): TpmResponse {
  const reader = new TpmReader(bytes);
  const tag = reader.uint16();
  if (reader.uint32() !== bytes.length) malformedResponse("a length that is not its own");
  const code = reader.uint32();
  if (code !== 0) {
    const busy = RETRY_CODES.has(code);
    const text = `TPM answered 0x${code.toString(16)} to command 0x${command.code.toString(16)}`;
    throw attesterError(busy ? "ATTESTER_BUSY" : "ATTESTER_FAILED", text, { details: { tpmCode: code } });
  }
  const sessions = command.authorisations?.length ?? 0;
  if (tag !== (sessions === 0 ? TAG_NO_SESSIONS : TAG_SESSIONS)) malformedResponse("a tag of another command");
  const handle = command.returnsHandle === true ? reader.uint32() : 0;
  if (sessions === 0) return { handle, parameters: reader.rest() };
  const parameters = reader.take(reader.uint32());
  for (let index = 0; index < sessions; index++) {
    reader.sized(64);
    reader.uint8();
    reader.sized(64);
  }
  reader.end();
  return { handle, parameters };
}
