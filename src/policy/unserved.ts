/** What a policy asks and a gateway cannot give: such a policy is refused when it is loaded, rather than half obeyed. */
import type { PathId } from "../paths/path.ts";
import type { Finding } from "./check-policy.ts";
import { pathRoles } from "./path-roles.ts";
import type { AllowRule, Policy } from "./policy.ts";

/** A path that a gateway has. */
export interface ServedPath {
  readonly id: PathId;
  /** Whether it can confirm what another path answered. */
  readonly confirms: boolean;
}

function unservedBy({ obligations }: AllowRule, paths: readonly ServedPath[]): string | null {
  const unknown = obligations.all.find((path) => !paths.some(({ id }) => id === path));
  if (unknown !== undefined) return `requires the path \`${unknown}\`, which this gateway does not have`;
  const { answers, confirm, follow } = pathRoles(obligations);
  const unable = [...confirm, ...follow.map(({ path }) => path)].find(
    (path) => !paths.some(({ id, confirms }) => id === path && confirms),
  );
  if (unable !== undefined)
    return `\`${unable}\` cannot confirm what \`${answers}\` answers: the first path of \`all\` that may not come later answers, the others confirm`;
  const [sampled] = obligations.sample;
  if (sampled !== undefined)
    return `has a \`sample\` of \`${sampled.path}\`, and this gateway draws none: require the path, or leave the sample out`;
  return null;
}

/** One error for each rule of `policy` that a gateway with these paths cannot obey. */
export function unservedRules(policy: Policy, paths: readonly ServedPath[]): readonly Finding[] {
  return policy.rules.flatMap((rule) => {
    const message = unservedBy(rule, paths);
    return message === null ? [] : [{ severity: "error" as const, line: rule.line, rule: rule.id, message }];
  });
}
