/** `triseal evidence enrol`, both sides as processes: what is refused, and a statement that a trust file's enroller made. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseEnrolment, verifyEnrolment } from "../../src/paths/tee/wire/tpm-enrolment.ts";
import { hasSwtpm, type Swtpm, startSwtpm } from "../fixtures/attester/swtpm.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
const enrol = (...args: string[]) => runCli(["evidence", "enrol", ...args], folder.path);

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

/** Runs a command that must be refused with `code`, and that writes nothing. */
async function refused(code: string, ...args: string[]): Promise<void> {
  const before = await readdir(folder.path);
  const { code: exit, stdout, stderr } = await enrol(...args);
  expect([exit, stdout, stderr]).toEqual([1, "", expect.stringMatching(new RegExp(`^triseal: ${code}: [^\\n]+\\n$`))]);
  expect(await readdir(folder.path)).toEqual(before);
}

describe("triseal evidence enrol without a TPM", { timeout: 120_000 }, () => {
  it("refuses a TPM that is not there, two of them, and files of no or another step", async () => {
    await refused("ATTESTER_UNAVAILABLE", "request", "--device", "/nonexistent/tpm", "--out", "request.json");
    await refused("ATTESTER_UNAVAILABLE", "request", "--socket", "/nonexistent/tpm", "--out", "request.json");
    await refused("CONFIG_INVALID", "request", "--device", "/a", "--socket", "/b", "--out", "request.json");
    const key = `sha256:${"0".repeat(64)}`;
    const challenge = (file: string, name = key) => [
      "challenge",
      file,
      "--endorsement-key",
      name,
      "--pending",
      "p.json",
      "--out",
      "c.json",
    ];
    await refused("FORMAT_INVALID", ...challenge("none.json"));
    await writeFile(at("answer.json"), JSON.stringify({ v: 1, purpose: "triseal.tpm-enrolment-answer.v1", content: "AAAA" }));
    await refused("FORMAT_INVALID", ...challenge("answer.json"));
    await refused("CONFIG_INVALID", ...challenge("answer.json", "00"));
  });
});

describe.skipIf(!hasSwtpm)("triseal evidence enrol", { timeout: 120_000 }, () => {
  let swtpm: Swtpm;
  let other: Swtpm;
  let endorsementKey: string;

  beforeAll(async () => {
    [swtpm, other] = [await startSwtpm(), await startSwtpm()];
    const { code, stdout } = await enrol("request", "--socket", swtpm.socket, "--out", "request.json");
    expect(code).toBe(0);
    endorsementKey = /sha256:[0-9a-f]{64}/.exec(stdout)?.[0] ?? "";
  });
  afterAll(async () => {
    await swtpm.stop();
    await other.stop();
  });

  const challenge = (key: string, name: string) => [
    "challenge",
    "request.json",
    "--endorsement-key",
    key,
    "--pending",
    `${name}.pending`,
    "--out",
    `${name}.json`,
  ];
  const confirm = (answer: string, pending: string, ...more: string[]) => [
    "confirm",
    answer,
    "--pending",
    pending,
    "--key",
    "enroller.seed",
    "--type",
    "tpm2-simulated",
    "--out",
    "enrolment.json",
    ...more,
  ];

  it("challenges no TPM that the enroller does not know", async () => {
    await refused("ATTESTER_MISMATCH", ...challenge(`sha256:${"0".repeat(64)}`, "challenge"));
  });

  it("states what that TPM answered, and nothing for another TPM or another answer", async () => {
    expect((await enrol(...challenge(endorsementKey, "challenge"))).code).toBe(0);
    expect((await stat(at("challenge.pending"))).mode & 0o777).toBe(0o600);
    await refused("ATTESTER_FAILED", "answer", "challenge.json", "--socket", other.socket, "--out", "stolen.json");
    expect((await enrol("answer", "challenge.json", "--socket", swtpm.socket, "--out", "opened.json")).code).toBe(0);
    await refused("CONFIG_INVALID", ...confirm("opened.json", "challenge.pending", "--days", "0"));
    await refused("CONFIG_INVALID", ...confirm("opened.json", "challenge.pending", "--type", "tpm"));
    await writeFile(at("enroller.seed"), `${"07".repeat(32)}\n`, { mode: 0o600 });
    // An answer of the right form to another challenge.
    expect((await enrol(...challenge(endorsementKey, "second"))).code).toBe(0);
    await refused("ATTESTER_MISMATCH", ...confirm("opened.json", "second.pending"));
    const { code, stdout } = await enrol(...confirm("opened.json", "challenge.pending", "--days", "30"));
    expect(code).toBe(0);
    const enrolment = parseEnrolment(new Uint8Array(await readFile(at("enrolment.json"))));
    expect(verifyEnrolment(enrolment)).toBe(true);
    expect(enrolment.statement).toMatchObject({ type: "tpm2-simulated", endorsementKey });
    expect(enrolment.statement.notAfter - enrolment.statement.notBefore).toBe(30 * 86_400);
    expect(stdout).toContain(enrolment.statement.enroller);
    // Its content was seen: it confirms no second time.
    await refused("FORMAT_INVALID", ...confirm("opened.json", "challenge.pending"));
  });
});
