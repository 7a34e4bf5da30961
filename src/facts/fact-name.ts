/** Names of scopes, facts and snapshots. */

export const DEFAULT_SCOPE = "default";

/** Whether this may be the name of a scope, a fact or a snapshot. */
export function isFactName(name: unknown): name is string {
  return typeof name === "string" && /^[\w.:-]{1,64}$/.test(name);
}
