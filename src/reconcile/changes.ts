/** What must happen to what is, so that it becomes what should be. Computed, then applied; never both at once. */
export interface Changes<D, O> {
  readonly create: readonly D[];
  readonly update: readonly Update<D, O>[];
  readonly remove: readonly O[];
}

export interface Update<D, O> {
  readonly desired: D;
  readonly observed: O;
}

/**
 * Compares by identity (the map key), then by content (`equal`): identity is not equality, so that a changed port or
 * tag is an update in place and not a removal beside a creation.
 */
export function compare<D, O>(
  desired: ReadonlyMap<string, D>,
  observed: ReadonlyMap<string, O>,
  equal: (desired: D, observed: O) => boolean,
): Changes<D, O> {
  const create: D[] = [];
  const update: Update<D, O>[] = [];
  for (const [identity, wanted] of desired) {
    const found = observed.get(identity);
    if (found === undefined) create.push(wanted);
    else if (!equal(wanted, found)) update.push({ desired: wanted, observed: found });
  }
  const remove = [...observed].filter(([identity]) => !desired.has(identity)).map(([, found]) => found);
  return { create, update, remove };
}

export function isEmpty(changes: Changes<unknown, unknown>): boolean {
  return changes.create.length + changes.update.length + changes.remove.length === 0;
}
