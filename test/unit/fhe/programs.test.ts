import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf } from "../../../src/core/digest.ts";
import { Programs, type RunProgram } from "../../../src/paths/fhe/server/programs.ts";
import { COPY } from "./fhe-world.ts";

it("a program's price is found once, when it is registered: a large one takes seconds to compile", async () => {
  const folder = await mkdtemp(join(tmpdir(), "triseal-programs-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [limits, few] = [
    { programsPerTenant: 2, pbs: 100, depth: 100 },
    { programsPerTenant: 2, pbs: 6, depth: 100 },
  ];
  let compiled = 0;
  const read = (): RunProgram => ({
    ...COPY,
    price: async () => {
      compiled++;
      return { pbs: 7, depth: 3 };
    },
  });
  const refused = await Programs.open([], folder, few, read);
  await expect(refused.register("acme", utf8("a program"))).rejects.toMatchObject({ code: "FHE_PRICE_EXCEEDED" });
  expect(refused.find("acme", COPY.digest)).toBeNull();
  expect(compiled).toBe(1);
  const programs = await Programs.open([], folder, limits, read);
  expect(programs.of("acme")).toEqual([]);
  await programs.register("acme", utf8("a program"));
  expect(compiled).toBe(2);
  expect(programs.find("other", COPY.digest)).toBeNull();
  const again = (await Programs.open([], folder, limits, read)).find("acme", COPY.digest);
  expect([await again?.price(), compiled]).toEqual([{ pbs: 7, depth: 3 }, 2]);
  // A price that cannot be read is found anew.
  await writeFile(join(folder, "programs", "acme", `${digestHex(COPY.digest)}.price`), '{"pbs":-1,"depth":0}');
  const unread = (await Programs.open([], folder, limits, read)).find("acme", COPY.digest);
  expect([await unread?.price(), compiled]).toEqual([{ pbs: 7, depth: 3 }, 3]);
});

it("programs that are registered at once stay within their tenant's quota, and wait for no other tenant", async () => {
  const folder = await mkdtemp(join(tmpdir(), "triseal-programs-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const never = new Promise<never>(() => undefined);
  const read = (bytes: Uint8Array): RunProgram => ({ ...COPY, bytes, digest: digestOf(bytes), name: digestOf(bytes) });
  const slow = (bytes: Uint8Array) => (bytes[0] === 33 ? { ...read(bytes), price: () => never } : read(bytes));
  const programs = await Programs.open([], folder, { programsPerTenant: 2, pbs: 100, depth: 100 }, slow);
  void programs.register("slow", utf8("! never compiled"));
  const made = await Promise.allSettled(["a", "b", "c", "a"].map((text) => programs.register("acme", utf8(text))));
  expect(made.map((one) => (one.status === "fulfilled" ? null : one.reason.code))).toEqual([
    null,
    null,
    "FHE_PROGRAM_QUOTA",
    null,
  ]);
});
