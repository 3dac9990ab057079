/** Which of the required paths does what: the order of `require.all` decides, and `mode` says what may come later. */
import type { PathId } from "../paths/path.ts";
import type { Obligations } from "./obligation.ts";

/** The roles of the paths that a rule requires. */
export interface PathRoles {
  /** Gives the answer: the first path of `all` that may not come later, or the first of all where each may. */
  readonly answers: PathId;
  /** Confirm the answer before it leaves, in this order. */
  readonly confirm: readonly PathId[];
  /** Confirm it after it left, each within its seconds from the decision on. */
  readonly follow: Obligations["async"];
  /** Where every path may come later, the request waits: seconds from the decision on for all of them; else null. */
  readonly waitsSeconds: number | null;
}

/** The roles of the paths in `obligations.all`, each of which has exactly one. */
export function pathRoles({ all, async: later }: Pick<Obligations, "all" | "async">): PathRoles {
  const isLater = (path: PathId) => later.some((entry) => entry.path === path);
  const atOnce = all.filter((path) => !isLater(path));
  const waits = atOnce.length === 0;
  const [answers = "", ...confirm] = waits ? all : atOnce;
  return {
    answers,
    confirm,
    follow: waits ? [] : all.flatMap((path) => later.filter((entry) => entry.path === path)),
    waitsSeconds: waits ? Math.min(...later.map(({ deadlineSeconds }) => deadlineSeconds)) : null,
  };
}
