/**
 * The fuzz target `fhe`: the protocol of a real engine process, and the parsers of everything that the fhe path writes. A message
 * of any form has one answer with a code, no engine dies of one, and what it signs, runs and opens is what it was given.
 */
import { fheParserSubjects } from "./fhe/document-subjects.ts";
import { EngineSession } from "./fhe/engine-session.ts";
import { engineSubjects } from "./fhe/engine-subjects.ts";
import { makeEngineWorld } from "./fhe/engine-world.ts";
import type { FuzzTarget, Subject } from "./fuzz-target.ts";

/** Two hundred bootstraps, on two cores that others use. */
const CASE_TIMEOUT_MS = 60_000;

/** How often each parser stands beside the engine's subjects. */
const PARSER_WEIGHT = 10;

/** The target; needs a built engine. */
export const fheTarget: FuzzTarget = {
  name: "fhe",
  startsPrograms: false,
  open: async () => {
    const world = await makeEngineWorld();
    const session = await EngineSession.open(world);
    const parsers = await fheParserSubjects();
    return {
      subjects: [...(await engineSubjects(session)), ...parsers.flatMap((parser) => Array<Subject>(PARSER_WEIGHT).fill(parser))],
      concurrency: 1,
      caseTimeoutMs: CASE_TIMEOUT_MS,
      inspect: () => session.inspect(),
      numbers: () => session.numbers(),
      close: async () => {
        await session.close();
        await world.close();
      },
    };
  },
};
