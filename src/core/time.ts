/** Time is an argument everywhere but in `src/main`: seconds since the Unix epoch, UTC, as an integer. */
import { TrisealError } from "./errors.ts";

declare const secondsBrand: unique symbol;

/** Whole seconds since 1970-01-01T00:00:00Z. */
export type UnixSeconds = number & { readonly [secondsBrand]: true };

/** A source of the current time. Only composition roots make one from the machine's clock. */
export type Clock = () => UnixSeconds;

/**
 * `value` as whole seconds since the epoch.
 * @throws TrisealError `FORMAT_INVALID` unless it is an integer from 0 to 2^53-1.
 */
export function unixSeconds(value: number): UnixSeconds {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TrisealError("FORMAT_INVALID", "expected whole seconds since the epoch");
  }
  return value as UnixSeconds;
}

/**
 * Whether what ends at `end` still holds at `at`: until just before that second (ACI section 9.1, check 3: `now <
 * not_after`). The one rule for keysets, sessions and policy statements, in seconds since the epoch.
 */
export function holdsUntil(end: number, at: number): boolean {
  return at < end;
}

/** Last second of the year 9999. */
const LAST_RFC3339_SECOND = 253_402_300_799;

/** `seconds` in RFC 3339, UTC, without fractions: `2026-11-21T08:00:00Z`; beyond the year 9999, which RFC 3339 cannot write, as a number. */
export function formatTime(seconds: UnixSeconds): string {
  if (seconds > LAST_RFC3339_SECOND) return `${seconds} seconds after 1970`;
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/**
 * Seconds of an RFC 3339 time in UTC (`2026-11-21T08:00:00Z`) or of a decimal number of seconds.
 * @throws TrisealError `FORMAT_INVALID` for any other text.
 */
export function parseTime(text: string): UnixSeconds {
  if (/^[0-9]{1,15}$/.test(text)) return unixSeconds(Number(text));
  const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    throw new TrisealError("FORMAT_INVALID", "expected a time such as `2026-11-21T08:00:00Z`");
  }
  return unixSeconds(milliseconds / 1000);
}
