/** The `paths.tee` section of a trust file: which evidence, worker builds and models a relying party accepts. */
import { array, type Decoded, type Decoder, digest, hexText, matching, object, oneOf, text } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";

const because = text(500);
const acceptAny = object({ accept: oneOf("any"), because });

function anyOr<T>(list: Decoder<readonly T[]>): Decoder<readonly T[] | Decoded<typeof acceptAny>> {
  return (value, place) => (isJsonObject(value) ? acceptAny(value, place) : list(value, place));
}

const decodeSection = object({
  /** Evidence types that are accepted. `simulated` proves nothing about hardware and so needs its reason. */
  evidence: array(object({ type: matching(/simulated/, "`simulated`"), platformKeys: array(hexText(32), 64), because }), 16),
  /** Reference values: digests of released worker files. */
  workers: anyOr(array(object({ digest }, { because }), 256)),
  /** Reference values: models by name and digest. */
  models: anyOr(array(object({ name: text(128), digest }, { because }), 1024)),
});

/** What a relying party accepts on the tee path. */
export type TeeTrust = Decoded<typeof decodeSection>;

/**
 * The parsed section; a relying party that has none accepts nothing.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseTeeTrust(section: JsonObject | null): TeeTrust {
  if (section === null) return { evidence: [], workers: [], models: [] };
  try {
    return decodeSection(section, "paths.tee");
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed section", { cause });
  }
}
