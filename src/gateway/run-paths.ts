/** Runs the paths that policy chose for a request: one answers, and others confirm what it said. */

import { isTrisealError, TrisealError } from "../core/errors.ts";
import { canonicalJson } from "../core/jcs.ts";
import type { JsonObject } from "../core/json.ts";
import type {
  BoundRequest,
  ConfirmingLeg,
  InferencePath,
  InferOptions,
  Leg,
  PathAnswer,
  PathId,
  RunStatement,
} from "../paths/path.ts";
import type { Decision, PathRoles } from "../policy/index.ts";
import type { Decided, ReceivedRequest } from "./exchange.ts";
import { withForwarded } from "./forwarded.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import type { ParsedCall } from "./parse-call.ts";

/** A request as the paths get it. */
export interface DecidedRequest {
  readonly parsed: Pick<ParsedCall, "facts"> & { readonly received: Pick<ReceivedRequest, "body" | "sealedBy"> };
  readonly model: CatalogModel;
  readonly made: Pick<Decided, "decision" | "decisionDigest">;
}

/** What the answering path gave, with a leg of every path that had to be there at once, in the order of the roles. */
export interface RunAnswer {
  readonly answer: PathAnswer;
  readonly legs: readonly { readonly path: PathId; readonly leg: Leg }[];
}

/** An answer that is to be confirmed. */
export interface Confirmable {
  /** The path that gave it. */
  readonly answeredBy: PathId;
  /** The exact bytes of the opened answer. */
  readonly response: Uint8Array;
  /** What the answer's own leg states. */
  readonly states: RunStatement;
  /** Receipt id or request id, for the operator's log. */
  readonly about: JsonObject;
}

/** The paths of one gateway. */
export class PathRunner {
  private readonly paths: readonly InferencePath[];
  private readonly log: GatewayOptions["log"];

  constructor({ paths, log }: Pick<GatewayOptions, "paths" | "log">) {
    this.paths = paths;
    this.log = log;
  }

  /**
   * The answer, once every path of `roles.confirm` has confirmed it and every one of `roles.follow` can.
   * @throws TrisealError as the paths, with what was forwarded; `PATH_UNAVAILABLE` for a path that is not there or confirms nothing.
   */
  async run(request: DecidedRequest, roles: PathRoles, options: InferOptions, about: JsonObject): Promise<RunAnswer> {
    // First of all: no answer leaves, and no backend works, for a request that nobody could confirm.
    for (const path of [...roles.confirm, ...roles.follow.map((later) => later.path)])
      this.confirmerOf(path).assertConfirmable(boundFor(request, path));
    const answer = await this.pathOf(roles.answers).infer(boundFor(request, roles.answers), options);
    const legs: { path: PathId; leg: Leg }[] = [{ path: roles.answers, leg: answer.leg }];
    const confirmable = { answeredBy: roles.answers, response: answer.body, states: answer.leg.states, about };
    try {
      for (const path of roles.confirm) legs.push({ path, leg: await this.confirm(request, path, confirmable, options) });
    } catch (error) {
      throw withForwarded(error, answer.forwardedDigest);
    }
    return { answer, legs };
  }

  /**
   * A leg of `path` about an answer. A backend whose answer is contradicted serves nothing more.
   * @throws TrisealError `LEG_INPUT_MISMATCH`, `LEG_OUTPUT_MISMATCH`; as the path.
   */
  async confirm(request: DecidedRequest, path: PathId, of: Confirmable, options: InferOptions): Promise<ConfirmingLeg> {
    try {
      const leg = await this.confirmerOf(path).confirm(boundFor(request, path), of.response, options);
      assertSameRun(of.states, leg.states);
      return leg;
    } catch (error) {
      if (isTrisealError(error) && isContradiction(error)) this.endLiar(request.made.decision, path, of, error);
      throw error;
    }
  }

  /** @throws TrisealError `PATH_UNAVAILABLE`. */
  pathOf(id: PathId): InferencePath {
    const path = this.paths.find((candidate) => candidate.id === id);
    if (path === undefined) throw new TrisealError("PATH_UNAVAILABLE", `this gateway has no path \`${id}\``);
    return path;
  }

  private confirmerOf(id: PathId): NonNullable<InferencePath["confirmer"]> {
    const { confirmer } = this.pathOf(id);
    if (confirmer === null) throw new TrisealError("PATH_UNAVAILABLE", `path \`${id}\` confirms no answer of another one`);
    return confirmer;
  }

  private endLiar(decision: Decision, by: PathId, { answeredBy, about }: Confirmable, { code, message }: TrisealError): void {
    const { backendId, sessionId } = chosenBackend(decision, answeredBy);
    this.log({ level: "error", event: "contradicted", ...about, backend: backendId, session_id: sessionId, by, code });
    this.pathOf(answeredBy).contradicted(backendId, sessionId, `path \`${by}\` contradicts an answer of it: ${code}: ${message}`);
  }
}

/** Whether two paths found different things about one exchange: no retry of the second one changes that. */
export function isContradiction({ code }: TrisealError): boolean {
  return code === "LEG_INPUT_MISMATCH" || code === "LEG_OUTPUT_MISMATCH";
}

/**
 * Legs of one exchange state one input and one answer, in one form: the auditor compares them so.
 * @throws TrisealError `LEG_INPUT_MISMATCH`, `LEG_OUTPUT_MISMATCH`.
 */
function assertSameRun(answered: RunStatement, confirming: RunStatement): void {
  if (answered.inputCommitment !== confirming.inputCommitment)
    throw new TrisealError("LEG_INPUT_MISMATCH", "the two legs commit to different inputs");
  const outputs = ({ outputs: stated, outputCommitment }: RunStatement) => canonicalJson({ stated, outputCommitment });
  if (outputs(answered) !== outputs(confirming))
    throw new TrisealError("LEG_OUTPUT_MISMATCH", "the two legs state different outputs");
}

function boundFor({ parsed, model, made }: DecidedRequest, path: PathId): BoundRequest {
  const { decision, decisionDigest } = made;
  return {
    model,
    ...chosenBackend(decision, path),
    context: { modelDigest: model.digest, decisionDigest, nonce: decision.nonce },
    facts: parsed.facts,
    sealedBy: parsed.received.sealedBy,
    body: parsed.received.body,
  };
}

/**
 * The backend that policy chose of a path, and the session among its facts: the answer must come from that and no later one.
 * @throws TrisealError `PATH_UNAVAILABLE` where the decision chose none.
 */
export function chosenBackend(decision: Decision, path: PathId): Pick<BoundRequest, "backendId" | "sessionId"> {
  const chosen = decision.chosen.find((candidate) => candidate.path === path);
  if (chosen === undefined) throw new TrisealError("PATH_UNAVAILABLE", `policy chose no backend of path \`${path}\``);
  const candidate = decision.candidates.find((judged) => judged.id === chosen.backendId && judged.path === path);
  const session = candidate?.facts.find(({ name }) => name === "backend.session_id")?.value;
  return { backendId: chosen.backendId, sessionId: typeof session === "string" ? session : null };
}
