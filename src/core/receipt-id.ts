/** Ids of receipts as gateways make them: `rcpt-` and 32 hexadecimal digits. A verifier takes any text for one. */
import { matching } from "./decode.ts";

const RECEIPT_ID = /^rcpt-[0-9a-f]{32}$/;

/** Decodes the id of a receipt. @throws TrisealError `FORMAT_INVALID`. */
export const decodeReceiptId = matching(RECEIPT_ID, "a receipt id");

/** Whether a value is the id of a receipt: no other text is looked up, shown in a header or made a file's name. */
export function isReceiptId(value: unknown): value is string {
  return typeof value === "string" && RECEIPT_ID.test(value);
}
