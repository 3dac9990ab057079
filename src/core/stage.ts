/**
 * Stage times, for who measures: an optional observer is told where a stage of one request begins and ends. Without one
 * nothing is called and no time is read. Stages carry names and durations only, never content.
 */

/** Called where the stage `name` begins; what it returns is called where the stage ends. A stage that fails does not end. */
export type Stages = (name: string) => () => void;

/** Milliseconds by stage; several parts of one name are added up. */
export type StageTimes = Record<string, number>;

/** An observer that adds up the time between begin and end in `times`. @param now milliseconds of a monotonic clock. */
export function measureStages(times: StageTimes, now: () => number): Stages {
  return (name) => {
    const begun = now();
    return () => {
      times[name] = (times[name] ?? 0) + now() - begun;
    };
  };
}

/** Runs `work` as the stage `name`. */
export async function inStage<T>(stages: Stages | undefined, name: string, work: () => T | Promise<T>): Promise<T> {
  const end = stages?.(name);
  const result = await work();
  end?.();
  return result;
}
