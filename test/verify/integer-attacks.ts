import type { LegClaims } from "../../src/paths/path.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import type { TeeLegStatement } from "../../src/paths/tee/wire/leg.ts";
import type { Attack } from "../fixtures/attack.ts";
import { echo, withEcho } from "../fixtures/echo-path.ts";
import {
  anotherModel,
  commitment,
  committedOutputs,
  integerModel,
  integerRun,
  OUTPUTS,
  opening,
  otherCommitment,
  SALT,
  trustInteger,
} from "./integer-run.ts";

const honest: Partial<LegClaims> = { inputCommitment: commitment, outputs: [...OUTPUTS] };

/** The leg as a worker writes it that keeps its outputs from whoever reads the receipt. */
function committing(statement: TeeLegStatement, outputs = committedOutputs): TeeLegStatement {
  const { outputs: _, ...rest } = statement;
  return { ...rest, outputCommitment: outputs };
}

/** Two legs of one receipt: a worker's, and one of a path that lives only in tests and states `change`. */
function twoLegs(name: string, kind: "INPUT" | "OUTPUT", change: Partial<LegClaims>, more: Partial<Attack> = {}): Attack {
  return {
    name,
    check: kind === "INPUT" ? "binding.inputs-agree" : "binding.outputs-agree",
    code: `LEG_${kind}_MISMATCH`,
    appraisers: [teeAppraiser, echo],
    trust: trustInteger,
    changes: (_scene) => withEcho({ ...honest, ...change }, integerRun()),
    ...more,
  };
}

function shown(more: Partial<Attack>, name: string, check: string, code: string): Attack {
  return {
    name,
    check,
    code,
    trust: trustInteger,
    changes: integerRun(),
    options: (_scene, { request, response }) => ({ request: request.opened, response: response.opened, opening }),
    ...more,
  };
}

const input = (name: string, more: Partial<Attack>) => shown(more, name, "exchange.input-opens", "ZK_INPUT_OPENS");
const output = (name: string, more: Partial<Attack>) => shown(more, name, "exchange.outputs-match", "ZK_OUTPUT_MATCHES");
const withOpening = (change: Partial<typeof opening>): NonNullable<Attack["options"]> => {
  return (_scene, { request }) => ({ request: request.opened, opening: { ...opening, ...change } });
};

/** Integer runs: commitments and outputs that are another leg's, or another exchange's. */
export const integerAttacks: readonly Attack[] = [
  twoLegs("with an honest proof of another input that has the same output", "INPUT", { inputCommitment: otherCommitment }),
  twoLegs("with a second leg that commits to no input", "INPUT", { inputCommitment: null }),
  twoLegs("whose worker states another output than the second leg", "OUTPUT", { outputs: [4] }),
  twoLegs("with a second leg that states no outputs", "OUTPUT", { outputs: null }),
  twoLegs(
    "with a leg that commits to its outputs and one that states them, where no salt is shown",
    "OUTPUT",
    {},
    {
      changes: (_scene) => withEcho(honest, integerRun(committing)),
    },
  ),
  twoLegs(
    "with a leg that commits to other outputs than the second one states",
    "OUTPUT",
    {},
    {
      changes: (_scene) => withEcho({ ...honest, outputs: [4] }, integerRun(committing)),
      options: { opening },
    },
  ),
  input("whose worker committed to another input that has the same output", {
    changes: integerRun((leg) => ({ ...leg, inputCommitment: otherCommitment })),
  }),
  input("to which another salt is shown", { options: withOpening({ salt: SALT.with(0, 1) }) }),
  input("to which another model is shown, even one that encodes alike", {
    options: withOpening({ model: async () => ({ ...integerModel, digest: anotherModel.digest }) }),
  }),
  input("to which a salt is shown where no leg commits to anything", { changes: {}, trust: () => undefined }),
  output("whose leg states another output than was returned", { changes: integerRun((leg) => ({ ...leg, outputs: [4] })) }),
  output("whose leg states more outputs than were returned", { changes: integerRun((leg) => ({ ...leg, outputs: [3, 0] })) }),
  output("whose leg commits to other outputs than were returned", {
    changes: integerRun((leg) => committing(leg, commitment)),
  }),
];

/** A run whose leg keeps its outputs to itself. */
export const committedRun = integerRun(committing);
