/** The adversary's list: one way to make somebody say yes to something false, and the one thing that stops it. */
import { isTrisealError } from "../../src/core/errors.ts";
import { type Attack, mount, reportedCheck, type Scene } from "../fixtures/attack.ts";

/** Whom it is tried on: any receipt, one path's, or the caller's SDK. */
export type Ground = "any" | "tee" | "zk" | "fhe" | "sdk";

/** What came of it. */
export interface Outcome {
  readonly said: "yes" | "no";
  /** The check, or the place, that refused. */
  readonly stop: string | null;
  readonly code: string | null;
}

/** One way. */
export interface Way {
  readonly ground: Ground;
  /** What the adversary does, as `SECURITY.md` has it. */
  readonly way: string;
  /** Id of the check that refuses a bundle, else the part that does. */
  readonly stop: string;
  readonly code: string;
  readonly tried: (scene: Scene) => Promise<Outcome>;
}

/** A bundle that `triseal verify` must refuse at the check `stop`. */
export function forged(ground: Ground, way: string, stop: string, code: string, attack: Partial<Attack>): Way {
  const tried = async (scene: Scene): Promise<Outcome> => {
    const verdict = await mount({ name: way, check: stop, code, ...attack }, scene);
    const said = verdict.outcome === "accepted" || verdict.claims.length > 0 ? "yes" : "no";
    return { said, stop: reportedCheck(verdict), code: verdict.code };
  };
  return { ground, way, stop, code, tried };
}

/** Work that must end in an error of `code` whose message has `says` in it, thrown by the part that is named `stop`. */
export function refused(
  ground: Ground,
  way: string,
  stop: string,
  code: string,
  work: (scene: Scene) => unknown,
  says = "",
): Way {
  const tried = async (scene: Scene): Promise<Outcome> => {
    try {
      await work(scene);
    } catch (error) {
      if (isTrisealError(error))
        return { said: "no", stop: error.message.includes(says) ? stop : error.message, code: error.code };
      throw error;
    }
    return { said: "yes", stop: null, code: null };
  };
  return { ground, way, stop, code, tried };
}

/** Work that finds the adversary out and names what it found; an empty answer is a yes. */
export function found(
  ground: Ground,
  way: string,
  stop: string,
  code: string,
  work: (scene: Scene) => Promise<string | null> | string | null,
): Way {
  const tried = async (scene: Scene): Promise<Outcome> => {
    const named = await work(scene);
    return named === null ? { said: "yes", stop: null, code: null } : { said: "no", stop, code: named };
  };
  return { ground, way, stop, code, tried };
}

/** The row of a way in the table of `SECURITY.md`, without its number; also the title of its test. */
export function rowOf({ ground, way, stop, code }: Way): string {
  return `${ground} | ${way} | \`${stop}\` | \`${code}\``;
}
