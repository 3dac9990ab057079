/** What a policy asks and a gateway cannot give: such a policy is refused when it is loaded, rather than half obeyed. */
import type { PathId } from "../paths/path.ts";
import type { Finding } from "./check-policy.ts";
import type { AllowRule, Policy } from "./policy.ts";

function unservedBy({ obligations }: AllowRule, paths: readonly PathId[]): string | null {
  const unknown = obligations.all.find((path) => !paths.includes(path));
  if (unknown !== undefined) return `requires the path \`${unknown}\`, which this gateway does not have`;
  if (obligations.all.length > 1) return "requires several paths, and this gateway answers on one";
  if (obligations.async.length > 0) return "has a `mode`, and this gateway runs no jobs";
  if (obligations.sample.length > 0) return "has a `sample`, and this gateway draws none";
  return null;
}

/** One error for each rule of `policy` that a gateway with these paths cannot obey. */
export function unservedRules(policy: Policy, paths: readonly PathId[]): readonly Finding[] {
  return policy.rules.flatMap((rule) => {
    const message = unservedBy(rule, paths);
    return message === null ? [] : [{ severity: "error" as const, line: rule.line, rule: rule.id, message }];
  });
}
