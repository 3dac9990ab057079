import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readEnrolmentFile } from "../../../src/main/evidence/enrol-documents.ts";
import { readNamed } from "../../../src/main/refusing.ts";

const invalid = expect.objectContaining({ name: "TrisealError", code: "FORMAT_INVALID" });

it("a file that the command line names is read up to its limit, and refused beyond it or where it has no end", async () => {
  const folder = await mkdtemp(join(tmpdir(), "triseal-named-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "file");
  await writeFile(file, "0123456789");
  await expect(readNamed(file, 9)).rejects.toEqual(invalid);
  await expect(readNamed(folder)).rejects.toEqual(invalid);
  await expect(readNamed(join(folder, "none"))).rejects.toEqual(invalid);
  await expect(readNamed("/dev/zero", 1024)).rejects.toEqual(invalid);
  await expect(readEnrolmentFile("answer", "/dev/zero")).rejects.toEqual(invalid);
  expect(new TextDecoder().decode(await readNamed(file, 10))).toBe("0123456789");
  await writeFile(file, "");
  expect(await readNamed(file, 10)).toEqual(new Uint8Array(0));
});
