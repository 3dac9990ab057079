import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { Programs } from "../../../src/paths/fhe/server/programs.ts";
import { COPY } from "./fhe-world.ts";

it("a program is compiled once when it is registered: that may take seconds in which nobody else is answered", async () => {
  const folder = await mkdtemp(join(tmpdir(), "triseal-programs-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  let compiled = 0;
  const limits = { programsPerTenant: 2, pbs: 100, depth: 100 };
  const read = () => {
    compiled++;
    return COPY;
  };
  const programs = await Programs.open([], folder, limits, read);
  await programs.register("acme", utf8("a program"));
  expect(compiled).toBe(1);
  expect(programs.find("acme", COPY.digest)).toBe(COPY);
  expect(programs.find("other", COPY.digest)).toBeNull();
  expect((await Programs.open([], folder, limits, read)).find("acme", COPY.digest)).toBe(COPY);
});
