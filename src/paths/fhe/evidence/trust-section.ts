/** The `paths.fhe` section of a trust file: which engines, key holders and programs a relying party accepts. */
import {
  anyJson,
  array,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  jsonObject,
  object,
  oneOf,
  text,
} from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";

const because = text(500);
const acceptAny = object({ accept: oneOf("any"), because });

function anyOr<T>(list: Decoder<readonly T[]>): Decoder<readonly T[] | Decoded<typeof acceptAny>> {
  return (value, place) => (isJsonObject(value) ? acceptAny(value, place) : list(value, place));
}

const decodeBuilt = object({ publicKey: hexText(32), builds: array(digest, 64) }, { because });
const decodeUnbuilt = object({ publicKey: hexText(32), because });

/** An engine by its key, and the program files that may sign with it; without them any may, which has a reason. */
export type TrustedEngine = Decoded<typeof decodeBuilt> | Decoded<typeof decodeUnbuilt>;

const decodeEngine: Decoder<TrustedEngine> = (value, place) =>
  isJsonObject(value) && Object.hasOwn(value, "builds") ? decodeBuilt(value, place) : decodeUnbuilt(value, place);

const named = anyOr(array(object({ name: text(128), digest }, { because }), 1024));

/** A holder that nobody's word stands for: how its evidence is judged, in the members of `paths.tee`. */
const decodeAttested = object(
  {
    /** Digest of its configuration: what it decrypts, and for which service. */
    configuration: digest,
    evidence: array(jsonObject, 16),
    workers: anyJson,
  },
  { references: anyJson, withdrawn: anyJson },
);

const decodeHolder = object({ keyId: hexText(32), holder: text(128) }, { because, attested: decodeAttested });

/** A key holder that a relying party names. */
export type TrustedHolder = Decoded<typeof decodeHolder>;

const decodeFields = {
  engines: array(decodeEngine, 64),
  /** Who holds the key that decrypts, by key id. */
  keys: anyOr(array(decodeHolder, 1024)),
  /** Programs by name and digest, as receipts name their model. */
  programs: named,
};

const decodeSection = object(decodeFields, {
  /** Integer models by name and digest; none where it is left out. A program that is named is not accepted as a model, or the other way round. */
  models: named,
});

/** What a relying party accepts on the fhe path. */
export type FheTrust = Decoded<typeof decodeSection>;

/**
 * The parsed section; a relying party that has none accepts nothing.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseFheTrust(section: JsonObject | null): FheTrust {
  if (section === null) return { engines: [], keys: [], programs: [] };
  try {
    return decodeSection(section, "paths.fhe");
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed section", { cause });
  }
}

/** The holder that the trust file names for a key; null where it names none. */
export function namedHolder({ keys }: FheTrust, keyId: string): TrustedHolder | null {
  return "accept" in keys ? null : (keys.find((key) => key.keyId === keyId) ?? null);
}

/**
 * How the evidence of a named holder is judged: a section of the tee path in which its configuration stands as the only model.
 * Null where the trust file takes the holder's word, and so no evidence.
 */
export function attestedSection({ holder, attested }: TrustedHolder): JsonObject | null {
  if (attested === undefined) return null;
  const { configuration, ...section } = attested;
  return { ...section, models: [{ name: holder, digest: configuration }] };
}

/** Who holds a key: a name, `null` where the trust file accepts any, and nothing where it knows of no such key. */
export function holderOf({ keys }: FheTrust, keyId: string): string | null | undefined {
  return "accept" in keys ? null : keys.find((key) => key.keyId === keyId)?.holder;
}
