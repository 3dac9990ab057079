/** The closed table of attributes that a policy may use: who vouches for each, its type, and whether it can be absent. */

/** Who vouches for a fact: the caller states it, the gateway observes it, appraised evidence shows it, or a backend claims it. */
export const ORIGINS = ["caller", "gateway", "evidence", "claim"] as const;

/** Who vouches for a fact. */
export type Origin = (typeof ORIGINS)[number];

/** The objects of a condition. Only `backend` differs from candidate to candidate. */
export const ROOTS = ["request", "tenant", "model", "backend"] as const;

/** An object of a condition. */
export type Root = (typeof ROOTS)[number];

/** One attribute that conditions may name. */
export interface Attribute {
  /** Dotted name, `<root>.<member>`, as policies write it. */
  readonly name: `${Root}.${string}`;
  /** The only origin that a fact of this name may have. */
  readonly origin: Origin;
  /** CEL type. Every number is a double. */
  readonly type: "string" | "double" | "bool" | "list<string>";
  /** Whether the fact can be absent. A condition that reads an absent fact without `has()` denies. */
  readonly optional: boolean;
  /** The only values, where the set is closed. */
  readonly values?: readonly string[];
  /** One line for the reference table. */
  readonly meaning: string;
}

function row(
  name: Attribute["name"],
  origin: Origin,
  type: Attribute["type"],
  meaning: string,
  more: { readonly optional?: boolean; readonly values?: readonly string[] } = {},
): Attribute {
  const optional = more.optional ?? (origin === "caller" || origin === "evidence" || origin === "claim");
  return { name, origin, type, optional, meaning, ...(more.values === undefined ? {} : { values: more.values }) };
}

/**
 * The attributes of this version. `backend.id` and `backend.path` are the candidate itself, and are given to conditions
 * without being among a candidate's facts. A deployment whose paths state more about their backends passes a longer table.
 */
export const ATTRIBUTES: readonly Attribute[] = [
  row("request.classification", "caller", "string", "class of the data, in the caller's words"),
  row("request.kind", "caller", "string", "kind of work that the caller asks for"),
  row("request.assurance", "caller", "string", "assurance that the caller wishes for"),
  row("request.value_usd", "caller", "double", "US dollars at stake"),
  row("request.seal", "caller", "string", "`caller`: refuse the request unless the caller sealed it", { values: ["caller"] }),
  row("request.statement", "caller", "string", "receipt of a statement that the caller made before"),
  row("request.proven_threshold", "evidence", "double", "least balance that the cited statement proves"),
  row("request.proven_unit", "evidence", "string", "unit of that balance"),
  row("request.proven_by", "evidence", "string", "signer of the commitment to that balance"),
  row("request.sealed", "gateway", "string", "who sealed the body", { values: ["caller", "gateway"] }),
  row("request.submits", "gateway", "string", "what the caller makes on its own machine; absent where a backend computes", {
    optional: true,
  }),
  row("request.bytes", "gateway", "double", "length of the body as received, in bytes"),
  row("tenant.id", "gateway", "string", "tenant of the API key"),
  row("tenant.tier", "gateway", "string", "tier of the tenant, as configured", { optional: true }),
  row("tenant.jurisdiction", "gateway", "string", "jurisdiction of the tenant, as configured", { optional: true }),
  row("model.name", "gateway", "string", "name of the model"),
  row("model.version", "gateway", "string", "version of the model"),
  row("model.digest", "gateway", "string", "digest of the model's source form, `sha256:` and 64 hexadecimal digits"),
  row("model.paths", "gateway", "list<string>", "paths that can serve the model"),
  row("backend.id", "gateway", "string", "the candidate"),
  row("backend.path", "gateway", "string", "path of the candidate"),
  row("backend.jurisdiction", "claim", "string", "where the candidate says that it runs"),
  row("backend.evidence_type", "evidence", "string", "type of the appraised evidence"),
  row("backend.tcb", "evidence", "string", "status of the firmware and microcode, as appraised"),
  row("backend.evidence_age_seconds", "evidence", "double", "seconds since the evidence was appraised"),
  row("backend.simulated", "evidence", "bool", "whether the evidence is simulated: no hardware stands behind it"),
  row("backend.session_id", "evidence", "string", "id of the attested session"),
];

/** Names that `decide` takes from the candidate itself: no candidate may state them as facts. */
export const CANDIDATE_NAMES: readonly string[] = ["backend.id", "backend.path"];
