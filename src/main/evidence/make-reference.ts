/** `triseal evidence reference`: signed reference values out of evidence that passes. */
import { basename } from "node:path";
import { digestOfJson } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { type JsonObject, parseJson } from "../../core/json.ts";
import type { UnixSeconds } from "../../core/time.ts";
import { signReference } from "../../paths/tee/evidence/platform/reference-values.ts";
import { writeNew } from "../new-file.ts";
import { readSeedFile } from "../seed-file.ts";
import { caseKinds, decodeCaseDocument, readCaseDocument } from "./case-file.ts";
import { unknownKind } from "./judge-case.ts";
import { judgeEntry, mergeEntries, type ReferenceEntry } from "./reference-entry.ts";

/** Flags of the command. */
export interface ReferenceFlags {
  readonly case: readonly string[];
  readonly name: string;
  readonly key?: string;
  readonly out: string;
  readonly registers?: string;
  readonly weakness?: readonly string[];
  readonly withdraw?: readonly string[];
  readonly json?: true;
}

/** How a trust file cites the values. */
export interface Citation {
  readonly digest: string;
  readonly publicKey: string;
  readonly document: JsonObject;
}

/** What came of it: a file, evidence that does not pass, or a kind that this version does not appraise. */
export type MadeReference =
  | { readonly outcome: "made"; readonly file: string; readonly citation: Citation; readonly roots: "built-in" | "case" }
  | { readonly outcome: "rejected"; readonly file: string; readonly code: string }
  | { readonly outcome: "unsupported"; readonly kind: string };

/** `VALUE=REASON`, each. */
function withdrawnOf(texts: readonly string[]): readonly { readonly value: string; readonly reason: string }[] {
  return texts.map((text) => {
    const [, value = "", reason = ""] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (value === "") throw new TrisealError("FORMAT_INVALID", "--withdraw wants VALUE=REASON");
    return { value, reason };
  });
}

/**
 * Judges each case, and writes and signs what they show where all of them pass. Nothing is written, and no key is made, where one
 * does not. Files that are there are not written over.
 * @throws TrisealError `FORMAT_INVALID` for cases and flags that cannot be read, `CONFIG_INVALID` for a file that is there.
 */
export async function makeReference(flags: ReferenceFlags, issuedAt: UnixSeconds): Promise<MadeReference> {
  const choice = { registers: flags.registers?.split(",") ?? null, weaknesses: flags.weakness ?? [] };
  const withdrawn = withdrawnOf(flags.withdraw ?? []);
  const entries: ReferenceEntry[] = [];
  let roots: "built-in" | "case" = "built-in";
  for (const file of flags.case) {
    const document = await readCaseDocument(file);
    const kind = unknownKind(caseKinds(document));
    if (kind !== null) return { outcome: "unsupported", kind };
    const question = await decodeCaseDocument(document, file);
    if (question.anchors !== null) roots = "case";
    const judged = await judgeEntry(question, choice);
    if ("code" in judged) return { outcome: "rejected", file: basename(file), code: judged.code };
    entries.push(judged.entry);
  }
  const evidence = mergeEntries(entries);
  const signer = await readSeedFile(flags.key);
  const bytes = signReference({ name: flags.name, issuedAt, evidence, withdrawn }, signer);
  const document = parseJson(bytes) as JsonObject;
  await writeNew(flags.out, bytes);
  const citation = { digest: digestOfJson(document), publicKey: signer.publicKey, document };
  return { outcome: "made", file: flags.out, citation, roots };
}
