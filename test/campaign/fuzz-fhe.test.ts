import { expect, it } from "vitest";
import { fheParserSubjects } from "./fhe/document-subjects.ts";
import { runCampaign } from "./run-campaign.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

it("readers of programs, claims, statements, accounts and an engine's frames answer every changed input with a code, and accept no changed claim", async () => {
  console.log(`fuzz fhe documents: FUZZ_SEED=${seed}`);
  const subjects = await fheParserSubjects();
  const target = {
    subjects,
    concurrency: 1,
    caseTimeoutMs: 10_000,
    inspect: async () => null,
    numbers: () => ({}),
    close: async () => undefined,
  };
  const { failures, inspections, cases, outcomes } = await runCampaign(target, {
    seed,
    seconds: 4,
    casesPerSubject: null,
    minCases: 1200,
    maxFailures: 3,
  });
  const named = failures.map(({ bytes, ...failure }) => ({ ...failure, bytes: Buffer.from(bytes).toString("base64") }));
  expect({ named, inspections }).toEqual({ named: [], inspections: [] });
  expect(cases).toBeGreaterThanOrEqual(1200);
  expect(Object.keys(outcomes).sort()).toEqual(subjects.map(({ name }) => name).sort());
  // Each subject is read at times: its examples are what it says they are.
  const isRead = (tally: Readonly<Record<string, number>>) => "read" in tally || "some answered" in tally;
  expect(Object.entries(outcomes).flatMap(([name, tally]) => (isRead(tally) ? [] : [name]))).toEqual([]);
}, 240_000);
