import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../src/core/digest.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import { fetchInto } from "../../../src/main/fhe/blob-source.ts";
import { fheError } from "../../../src/paths/fhe/wire/codes.ts";

const texts = ["server key", "mine", "theirs"];
const digests = texts.map((text) => digestOf(utf8(text)));
const named = digests.map((digest) => ({ digest, maxBytes: 100 }));

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "triseal-blobs-"));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** A service that gives these alone. */
const giving = (...given: readonly string[]) => ({
  blob: async (digest: Sha256Digest) => {
    const found = given.find((text) => digestOf(utf8(text)) === digest);
    if (found === undefined) throw fheError("FHE_FORBIDDEN_HANDLE", "no such account or handle for this key");
    return utf8(found);
  },
});

it("names what the API key may not read, and two who may read different parts fill one folder", async () => {
  const out = await folder();
  expect(await fetchInto(out, named, giving("server key", "mine"))).toEqual([digests[2]]);
  expect((await readdir(out)).length).toBe(2);
  expect(await fetchInto(out, named, giving("theirs"))).toEqual([]);
  expect((await readdir(out)).sort()).toEqual(digests.map(digestHex).sort());
});

it("fails with any other refusal of the service", async () => {
  const blob = () => Promise.reject(new TrisealError("SERVICE_UNREACHABLE", "no answer"));
  await expect(fetchInto(await folder(), named, { blob })).rejects.toMatchObject({ code: "SERVICE_UNREACHABLE" });
});
