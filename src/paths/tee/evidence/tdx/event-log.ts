/** Event logs that lead to the runtime measurement registers of a TD. */
import { concatBytes, encodeHex, equalBytes, parseHex, utf8 } from "../../../../core/bytes.ts";
import { array, type Decoded, type Decoder, hexBytes, integer, matching, object } from "../../../../core/decode.ts";
import type { JsonValue } from "../../../../core/json.ts";
import { hashBytes } from "../x509/signature.ts";

/** Most events of a log. */
const MAX_EVENTS = 16_384;

/** The one event type whose digest is defined over what the log shows: an event of the running system. */
const RUNTIME_EVENT = 0x08000001;

const register = integer(0, 3);
const anyCaseHex: Decoder<string> = (value, place) =>
  matching(/(?:[0-9a-f]{2}){0,65536}/, "hexadecimal")(typeof value === "string" ? value.toLowerCase() : value, place);
const digest48: Decoder<Uint8Array> = (value, place) =>
  hexBytes(48)(typeof value === "string" ? value.toLowerCase() : value, place);

const decodeLog = array(
  object({
    imr: register,
    digest: digest48,
    event_type: integer(0, 0xffffffff),
    event: matching(/[\s\S]{0,4096}/, "a text"),
    event_payload: anyCaseHex,
  }),
  MAX_EVENTS,
);

/** Events in the order in which they were measured. */
export type EventLog = Decoded<typeof decodeLog>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseEventLog(value: JsonValue): EventLog {
  return decodeLog(value, "eventLog");
}

/** SHA384(type LE ‖ ":" ‖ event ‖ ":" ‖ payload). */
async function runtimeDigest(event: string, payload: Uint8Array): Promise<Uint8Array> {
  const type = new Uint8Array(4);
  new DataView(type.buffer).setUint32(0, RUNTIME_EVENT, true);
  return await hashBytes("SHA-384", concatBytes(type, utf8(":"), utf8(event), utf8(":"), payload));
}

/** Whether the digests of runtime events are those of what the log shows. Digests of other types cannot be recomputed from it. */
export async function hasTruePayloads(log: EventLog): Promise<boolean> {
  for (const { event_type, event, event_payload, digest } of log) {
    if (event_type !== RUNTIME_EVENT) continue;
    if (!equalBytes(await runtimeDigest(event, parseHex(event_payload)), digest)) return false;
  }
  return true;
}

/** The registers that a log leads to from zero. */
export async function replay(log: EventLog): Promise<readonly Uint8Array[]> {
  const registers = Array.from({ length: 4 }, () => new Uint8Array(48));
  for (const { imr, digest } of log) {
    registers[imr] = new Uint8Array(await hashBytes("SHA-384", concatBytes(registers[imr] ?? new Uint8Array(48), digest)));
  }
  return registers;
}

/** Runtime events for claims: name and payload in hexadecimal, by register. */
export function runtimeEvents(log: EventLog): JsonValue {
  return log
    .filter(({ event_type }) => event_type === RUNTIME_EVENT)
    .map(({ imr, event, event_payload, digest }) => ({ imr, event, payload: event_payload, digest: encodeHex(digest) }));
}
