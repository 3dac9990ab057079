/** Prices and times of shipped programs, in the engine's form and as one writes them with tfhe-rs's integers. */
import { ratioOfMedians } from "../statistics.ts";
import type { Direct, DirectRun } from "./direct.ts";
import { checkedRun, formRow, workloadOf } from "./forms.ts";
import type { ProgramRow } from "./result.ts";
import { TRANSFER_VALUES } from "./transfer.ts";

interface Goal {
  readonly program: string;
  readonly values: readonly string[];
  readonly expected: string;
  readonly issuePbs: number;
  readonly goalPbs: number;
}

/** The usual prices and the goals are those of the issue. */
const GOALS: readonly Goal[] = [
  { program: "transfer-u64", values: TRANSFER_VALUES, expected: "93,12,true", issuePbs: 239, goalPbs: 200 },
  {
    program: "auction-8x32",
    values: ["120", "7", "450", "300", "450", "1", "0", "449"],
    expected: "2",
    issuePbs: 559,
    goalPbs: 391,
  },
  { program: "tree-depth4", values: ["9", "4", "12", "3"], expected: "2", issuePbs: 182, goalPbs: 40 },
];

/** Both forms of each program once a round. */
export async function measurePrograms(direct: Direct, folder: string, rounds: number): Promise<readonly ProgramRow[]> {
  const rows: ProgramRow[] = [];
  for (const { program, values, expected, issuePbs, goalPbs } of GOALS) {
    const { depth, circuit, usual } = await workloadOf(program, values, folder);
    const [ours, theirs]: [DirectRun[], DirectRun[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      ours.push(await checkedRun(direct, circuit, expected));
      theirs.push(await checkedRun(direct, usual, expected));
    }
    const forms = [formRow("circuit", ours), formRow("usual", theirs)];
    const times = (runs: readonly DirectRun[]) => runs.map(({ ms }) => ms);
    const pbsOverIssue = Number(((forms[0]?.pbs ?? 0) / issuePbs).toFixed(4));
    rows.push({
      program,
      depth,
      issuePbs,
      goalPbs,
      pbsOverIssue,
      forms,
      usualOverCircuit: ratioOfMedians(times(theirs), times(ours)),
    });
  }
  return rows;
}
