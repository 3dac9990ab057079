/** What one worker process makes of its requests, and when that is reason enough to replace it by a new one. */
import { isTrisealError } from "../../../core/errors.ts";

/** Requests in a row that may go unanswered. */
const MAX_UNANSWERED = 3;

/** What a conduct can do about the process. */
export interface Measures {
  /** Whether the process answers at all. */
  readonly isAlive: () => Promise<boolean>;
  /** Ends the process for good and starts another; `reason` is one line for the operator. */
  readonly replace: (reason: string) => void;
}

/** The conduct of one process. */
export class Conduct {
  private readonly measures: Measures;
  private unanswered = 0;

  constructor(measures: Measures) {
    this.measures = measures;
  }

  /** The worker answered, or refused as a worker does. */
  answered(): void {
    this.unanswered = 0;
  }

  /** Another path's evidence contradicts an answer of this process: what it signs is not so. */
  contradicted(reason: string): void {
    this.measures.replace(reason);
  }

  /**
   * A request failed. An answer that does not check ends the process: whatever is wrong with it, it signs what is not so.
   * One that is silent past its own deadline is asked whether it is there.
   * @param arrived whether a whole answer arrived, so that it is the answer that failed.
   */
  failed(error: unknown, arrived: boolean): void {
    if (!isTrisealError(error) || error.code === "CLIENT_ABORTED") return;
    if (arrived) {
      if (error.code === "WORKER_ANSWER_INVALID") this.measures.replace(error.message);
      return;
    }
    const silent = error.details["silent"] === true;
    if (!silent && error.code !== "WORKER_LOST" && error.details["garbled"] !== true) {
      this.answered();
      return;
    }
    this.unanswered++;
    if (this.unanswered >= MAX_UNANSWERED) this.measures.replace(`${this.unanswered} requests in a row had no answer`);
    else if (silent) void this.ask();
  }

  private async ask(): Promise<void> {
    if (!(await this.measures.isAlive())) this.measures.replace("the worker does not answer");
  }
}
