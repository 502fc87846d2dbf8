import { describeAccess, type Access, type MayAccess } from './access.ts';

/** What somebody needs in a namespace to keep objects there right. */
export interface NamespaceRights {
  /** To see what is there. */
  readonly read: readonly Access[];
  /** None for whoever writes nothing. */
  readonly write: readonly Access[];
}

/**
 * Why these rights are not enough to begin; empty when they are:
 *
 * | the rights                                           | the namespace                                                   |
 * |------------------------------------------------------|-----------------------------------------------------------------|
 * | one to read is missing                               | is closed: what is there is not known, which is not empty       |
 * | all to write are missing                             | is closed                                                       |
 * | some to write are missing                            | is open: what may be written is, and each refusal tells of itself |
 * | are all there                                        | is open                                                         |
 * | an authorizer cannot tell, or we may not ask, of one | counts as there: a refusal will tell                            |
 */
export async function whyClosed(may: MayAccess, { read, write }: NamespaceRights): Promise<string> {
  const [unreadable] = await missingRights(may, read);
  if (unreadable) return `there is no right to ${describeAccess(unreadable)}`;
  const [first] = write;
  // One after the other: most often the first answer is enough, and this is asked again and again.
  for (const right of write) if ((await may(right)) !== false) return '';
  return first === undefined ? '' : `there is no right to ${describeAccess(first)}, nor to write anything else`;
}

/** Those that are missing for certain. */
export async function missingRights(may: MayAccess, rights: readonly Access[]): Promise<Access[]> {
  const allowed = await Promise.all(rights.map(may));
  return rights.filter((_, i) => allowed[i] === false);
}
