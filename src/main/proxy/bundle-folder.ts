/** The folder of bundles: what an auditor needs, on the disk before the answer is given out. */
import { accessSync, constants } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { VerifiedAnswer } from "../../client/index.ts";
import { TrisealError } from "../../core/errors.ts";
import { isReceiptId } from "../../core/receipt-id.ts";
import { makeDurableDirectory, nodeFiles, replaceFile } from "../../log/store/files.ts";
import { BUNDLE_SUFFIX } from "../../receipt/index.ts";
import { proxyError } from "./codes.ts";

/** Keeps what supports an answer. Rejects with `BUNDLE_NOT_KEPT` where it cannot. */
export type KeepBundle = (answer: Pick<VerifiedAnswer, "receiptId" | "bundle" | "exchanged">) => Promise<void>;

/**
 * Opens the folder for files of mode 0600: `<receipt>.triseal.json`, and with `content` the exact request and response that
 * it is about, opened, as `<receipt>.request` and `<receipt>.response`. Nothing is ever deleted here.
 * @throws TrisealError `CONFIG_INVALID` for a folder that cannot be written to.
 */
export async function openBundleFolder(path: string, content: boolean): Promise<KeepBundle> {
  const folder = resolve(path);
  try {
    await makeDurableDirectory(nodeFiles, folder);
    // The place itself may be a file: a name inside a folder is what has to be made.
    if (!(await stat(folder)).isDirectory()) throw new Error("not a folder");
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new TrisealError("CONFIG_INVALID", "--bundles names no folder that can be written to", { cause });
  }
  return async ({ receiptId, bundle, exchanged }) => {
    // Another text could be a path.
    if (!isReceiptId(receiptId)) throw proxyError("BUNDLE_NOT_KEPT", "the receipt's id is no file name");
    const place = join(folder, receiptId);
    try {
      if (content) {
        await replaceFile(nodeFiles, `${place}.request`, exchanged.request);
        await replaceFile(nodeFiles, `${place}.response`, exchanged.response);
      }
      await replaceFile(nodeFiles, `${place}${BUNDLE_SUFFIX}`, bundle);
    } catch (cause) {
      throw proxyError("BUNDLE_NOT_KEPT", "the bundle could not be written", { cause, details: { receiptId } });
    }
  };
}
