/**
 * The firmware's measured boot log in its crypto-agile form (TCG PC Client Platform Firmware Profile, section 10), and the
 * registers that it leads to. Little-endian. Reading verifies nothing.
 */
import { concatBytes, encodeHex, equalBytes, utf8 } from "../../../../core/bytes.ts";
import { ByteCursor } from "../appraisal/byte-cursor.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import type { HashName } from "../x509/algorithm.ts";
import { hashBytes } from "../x509/signature.ts";
import { DIGEST_BYTES } from "./attest.ts";
import type { Pcr } from "./pcr-values.ts";

/** Largest log that is read. */
export const MAX_BOOT_LOG_BYTES = 1024 * 1024;

const MAX_EVENTS = 16_384;
const MAX_ALGORITHMS = 8;
const REGISTERS = 24;
const NO_ACTION = 3;
const SIGNATURE = "Spec ID Event03\0";
const STARTUP_LOCALITY = "StartupLocality\0";

/** TPM_ALG_ID of the banks that can be replayed. */
const BANKS: ReadonlyMap<number, HashName> = new Map([
  [0x000b, "SHA-256"],
  [0x000c, "SHA-384"],
  [0x000d, "SHA-512"],
]);

/**
 * Event types whose digest is over exactly the event's data (section 10.4.1): CRTM version, separator, EFI action, EFI variable
 * of the driver configuration, GPT. The others measure what the log does not hold, or part of it.
 */
const MEASURED_AS_SHOWN: ReadonlySet<number> = new Set([0x4, 0x8, 0x80000001, 0x80000006, 0x80000007]);

/** One event. */
export interface BootEvent {
  readonly register: number;
  readonly type: number;
  readonly digests: ReadonlyMap<HashName, Uint8Array>;
  readonly data: Uint8Array;
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return equalBytes(bytes.subarray(0, text.length), utf8(text));
}

/** Digest sizes by algorithm, from the first event, which is in the older form. */
function parseHeader(cursor: ByteCursor): ReadonlyMap<number, number> {
  cursor.uint32();
  if (cursor.uint32() !== NO_ACTION) malformed("a boot log that does not begin with its identification");
  cursor.take(20);
  const event = new ByteCursor(cursor.take(cursor.uint32()), "little-endian");
  if (!startsWith(event.take(SIGNATURE.length), SIGNATURE)) unsupported("a boot log of another form");
  event.take(8);
  const count = event.uint32();
  if (count > MAX_ALGORITHMS) malformed(`${count} algorithms`);
  const sizes = new Map<number, number>();
  for (let index = 0; index < count; index++) sizes.set(event.uint16(), event.uint16());
  event.take(event.uint8());
  event.end("identification of the boot log");
  for (const [id, hash] of BANKS) {
    if (sizes.has(id) && sizes.get(id) !== DIGEST_BYTES[hash]) malformed("a digest size that is not its algorithm's");
  }
  return sizes;
}

function parseEvent(cursor: ByteCursor, sizes: ReadonlyMap<number, number>): BootEvent {
  const register = cursor.uint32();
  const type = cursor.uint32();
  const count = cursor.uint32();
  if (count > MAX_ALGORITHMS) malformed(`${count} digests of one event`);
  const digests = new Map<HashName, Uint8Array>();
  for (let index = 0; index < count; index++) {
    const id = cursor.uint16();
    const digest = cursor.take(sizes.get(id) ?? malformed("a digest of an algorithm that the log does not name"));
    const hash = BANKS.get(id);
    if (hash !== undefined && digests.has(hash)) malformed("two digests of one algorithm");
    if (hash !== undefined) digests.set(hash, digest);
  }
  const data = cursor.take(cursor.uint32());
  if (type !== NO_ACTION && register >= REGISTERS) malformed(`register ${register}`);
  return { register, type, digests, data };
}

/** The events of a log, in order, its identification left out. @throws TrisealError `EVIDENCE_MALFORMED`; `EVIDENCE_UNSUPPORTED` for logs of SHA-1 alone. */
export function parseBootLog(bytes: Uint8Array): readonly BootEvent[] {
  const cursor = new ByteCursor(bytes, "little-endian");
  const sizes = parseHeader(cursor);
  const events: BootEvent[] = [];
  while (cursor.rest().length > 0) {
    if (events.length === MAX_EVENTS) malformed(`more than ${MAX_EVENTS} events`);
    events.push(parseEvent(cursor, sizes));
  }
  return events;
}

/** Registers 17 to 22 begin as ones: only a dynamic launch resets them (TCG PC Client Platform TPM Profile, section 4.6.2). */
function initialValue(register: number, hash: HashName, locality: number): Uint8Array {
  const value = new Uint8Array(DIGEST_BYTES[hash]).fill(register >= 17 && register <= 22 ? 0xff : 0);
  if (register === 0) value[value.length - 1] = locality;
  return value;
}

/** The locality that started the TPM, which register 0 begins with; 0 where the log does not say. */
function startupLocality(log: readonly BootEvent[]): number {
  const told = log.find(({ type, data }) => type === NO_ACTION && startsWith(data, STARTUP_LOCALITY));
  return told?.data[STARTUP_LOCALITY.length] ?? 0;
}

/** The value that a log leads one register to, in one bank; null where an event has no digest for the bank. */
async function replay(log: readonly BootEvent[], register: number, hash: HashName): Promise<Uint8Array | null> {
  let value = initialValue(register, hash, startupLocality(log));
  for (const event of log) {
    if (event.register !== register || event.type === NO_ACTION) continue;
    const digest = event.digests.get(hash);
    if (digest === undefined) return null;
    value = new Uint8Array(await hashBytes(hash, concatBytes(value, digest)));
  }
  return value;
}

/** Registers that firmware alone extends; others may have been extended by what no boot log shows. */
const LAST_FIRMWARE_REGISTER = 7;

/**
 * Whether the log leads to the quoted registers: to each that it has events for, and to those of the firmware, which is 0 to 7,
 * whether it has events for them or not. At least one register must be compared.
 */
export async function leadsTo(log: readonly BootEvent[], pcrs: readonly Pcr[]): Promise<boolean> {
  const logged = new Set(log.filter(({ type }) => type !== NO_ACTION).map(({ register }) => register));
  const compared = pcrs.filter(({ index }) => index <= LAST_FIRMWARE_REGISTER || logged.has(index));
  for (const { hash, index, value } of compared) {
    const reached = await replay(log, index, hash);
    if (reached === null || encodeHex(reached) !== encodeHex(value)) return false;
  }
  return compared.length > 0;
}

/** Whether every digest that is over exactly the event's data is that of the data, in each bank. */
export async function hasTrueData(log: readonly BootEvent[]): Promise<boolean> {
  for (const { type, digests, data } of log) {
    if (!MEASURED_AS_SHOWN.has(type)) continue;
    for (const [hash, digest] of digests) if (!equalBytes(await hashBytes(hash, data), digest)) return false;
  }
  return true;
}
